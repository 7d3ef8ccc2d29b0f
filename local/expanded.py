"""Print template.yaml as JSON, its anchors and merge keys written out, for tools that cannot read those."""

import json
import sys

from samtranslator.yaml_helper import yaml_parse

from local.build import ROOT


def main() -> int:
    """Print it."""
    json.dump(yaml_parse((ROOT / "template.yaml").read_text()), sys.stdout, indent=1, default=str)
    return 0


if __name__ == "__main__":
    sys.exit(main())
