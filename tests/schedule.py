"""Which process runs which file."""

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController


class FromBothEnds(LoadFileScheduling):
    """Every other process takes files from the end of the order, the others from its beginning.

    The order begins with what mostly waits for a local stack and ends with what mostly computes: the one fills the pauses
    of the other, and only half of the processes start a stack.
    """

    def _assign_work_unit(self, node: WorkerController) -> None:
        if self.nodes.index(node) % 2:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)
