"""AI agent runs that outlive the connection that started them.

The map, from the ground up. A module imports from the floors below its own and from no other (`test_arrows.py` reads it here).

floor 1: these import nothing of ours
    agent_names         which agents are deployed, by name
    agents              what agents and their tools import
    asked               what a waiting run asked for, and how one of its calls is answered
    caller              who makes a request
    clauses             clauses over a row: true or false in hand, a condition in a write
    clock               time in milliseconds, as text and as a clock to hand in
    errors              what can go wrong, named by who must act
    follow.passages     a step in the one order in which readers get it
    opaque              tokens that clients carry without reading them
    patience            how long to wait for a busy provider
    page                how many bytes one answer carries
    store.answers       what counts as an answer of table or queue
    text                text and JSON values that any store and any reader can take
    usage               tokens and model requests
floor 2
    agent               the seam between a run and the agent that answers it
    guards              the clauses of the moves' conditions, each with its reason
    run_error           why a run ended without an answer
    store.attributes    how values stand in an item
    store.body          the packed body of a record
floor 3
    cursor              where a list goes on
    lifecycle           the life of a run: statuses and moves
    log                 one line in the log for what happened; metrics
    request             what a client may send, checked field by field
    settings            the settings, read from the environment once
    store.retry         how often a call to the store is tried again
    store.row           what every item has: its key, the attributes of the indexes
    worker              whether this process can be trusted with another step
floor 4
    ai_sdk.request      what an AI SDK chat client may send
    follow.reader_state where a reader of a run's events stands
    follow.ticket       leave to read one run's events without a token
    http                what the HTTP functions share
    store.rows          the items of the table: keys and forms
    store.short_lived   the items that expire within a day
floor 5
    ai_sdk.answered     what a client's copy of a message answers, and how much of the run it has
    follow.live         what a step streams, written in pieces for readers
    loops               telling a run that repeats itself from one that works
    store.glance        whether a sweep has to read a run
    store.queue         the only user of SQS
    store.readable      reading rows that may be damaged
    views               what a client sees of a run and of a message
floor 6
    delivery            a queue message as a worker holds it
    follow.events       what a reader of a run is given, one event at a time
    store.refused       a write whose condition was false, and the rows that refused it
floor 7
    ai_sdk.chunks       events in the form that AI SDK chat clients read
    follow.sse          events as server-sent events
    follow.storyline    the events that follow where a reader stands
    store.calls         how the table is called, and what its errors mean
floor 8
    store.moves         the moves that write one item
    store.reads         reading the table
floor 9
    store.waiting       the moves of a run that waits for answers
floor 10
    store.table         the only user of DynamoDB: one move, one conditional write
floor 11
    access              which rows a caller may see
    history             what was written in a chat before a step
    limits              how often a user may start runs and hold reads
    settle              ending a run: one write, once, from any side
    watch               lease, stop and time, beside the agent
    wiring              puts the parts together, once per cold start
floor 12
    overdue             how an active run that no worker holds has to end
    packing             what a step left, packed as a record
    unreadable          ending a run whose row is damaged
    workbench           what a worker works with
floor 13
    agent_call          calling the agent for one step, while its lease is extended
    busy_chat           whether the run that holds a chat makes room for a start
    step_end            the ways in which a worker lets go of a step
floor 14
    claimed_step        a step while its worker holds the run
floor 15: one module per verb, named like its function
    answer              answers calls that a run waits for
    read                every GET
    start               accepts runs
    step                one step of a run
    stop                stops runs
    sweep               settles what crashed, sends again what was lost
    tail                following a run from any cursor
floor 16
    chat                AI SDK clients: starts and follows in one request
"""
