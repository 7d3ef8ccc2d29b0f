"""AI agent runs that outlive the connection that started them.

The map, from the ground up. A module imports from the floors below its own and from no other (`test_arrows.py` reads it here).

floor 1: these import no other module of Outlive
    agent_names         which agents are deployed, by name
    agents              what agents and their tools import
    asked               the calls that a waiting run asked about, and how one is answered
    caller              the user who makes a request
    chat_queue          the runs that wait for their chat's slot
    clauses             clauses over a row: true or false in hand, a condition in a write
    clock               time in milliseconds, as text and as a clock to hand in
    errors              the errors, named by who must act
    file_ref            what refers to a file of a chat, and what a browser may show of it
    follow.passages     a step in the one order in which readers get it
    opaque              tokens that clients carry without reading them
    patience            how long to wait for a busy provider
    page                how many bytes one answer contains
    store.answers       recognises answers of table and queue
    text                text and JSON values that any store and any reader can take
    usage               how much a run may use up, and has used up
floor 2
    agent               the seam between a run and the agent that answers it
    guards              the clauses of the moves' conditions, each with its reason
    run_error           why a run ended without an answer
    store.attributes    the form of values in an item
    store.body          the packed body of a record
    store.bucket        the only user of S3: one object is one file, written once
floor 3
    cursor              the cursors of lists
    lifecycle           the life of a run: statuses and moves
    log                 one line in the log for what happened; metrics
    request             what a client may send, checked field by field
    settings            the settings, read from the environment once
    store.retry         how often a call to the store is tried again
    store.row           the base of all items: key and the attributes of the indexes
    worker              whether this process can execute another step
floor 4
    ai_sdk.request      what an AI SDK chat client may send
    chat_files          the files of one chat: attached, read, stored, deleted
    follow.reader_state how much of a run's events a reader has received
    follow.ticket       access to one run's events without a token
    http                what the HTTP functions share
    store.rows          the items of the table: keys and forms
    store.short_lived   the items that expire within a day
floor 5
    ai_sdk.answered     which calls a client's copy of a message answers
    follow.live         what a step streams, written in pieces for readers
    loops               recognises a run that repeats the same calls
    store.glance        whether a sweep has to read a run
    store.queue         the only user of SQS
    store.readable      reading rows that may be damaged
    views               runs and messages as clients see them
floor 6
    delivery            a queue message as a worker holds it
    follow.events       the events that a reader of a run receives
    store.refused       a write whose condition was false, and the rows that refused it
floor 7
    ai_sdk.chunks       events in the form that AI SDK chat clients read
    follow.sse          events as server-sent events
    follow.storyline    the events that follow a reader's state
    store.calls         how the table is called, and what its errors mean
floor 8
    store.moves         the moves that write one item
    store.reads         reading the table
floor 9
    store.waiting       the moves of a run that waits for answers
floor 10
    store.slot          the moves that give a run its chat's slot, or a place in the queue
floor 11
    store.table         the only user of DynamoDB: one move, one conditional write
floor 12
    access              which rows a caller may see
    history             the history of a chat before a step
    limits              how often a user may start runs and hold reads
    succession          which run takes a chat's slot next, and its first message
    watch               lease, stop and time, while the agent runs
    wiring              puts the parts together, once per cold start
floor 13
    settle              ending a run: one write, made once
floor 14
    overdue             whether a run that no worker holds has to end, and how
    packing             packs the result of a step as a record
    unreadable          ending a run whose row is damaged
    workbench           the parts that a worker uses
floor 15
    agent_call          calling the agent for one step, while its lease is extended
    busy_chat           a start in a chat whose slot another run holds
    step_end            ending a step: settle its run, or give it back
floor 16
    claimed_step        a step while its worker holds the run
floor 17: one module per verb, named like its function
    answer              answers calls that a run waits for
    file                where a file is uploaded to and downloaded from
    read                every GET
    start               accepts runs
    step                one step of a run
    stop                stops runs
    sweep               settles runs that no worker will end, resends lost messages
    tail                following a run from any cursor
floor 18
    chat                AI SDK clients: starts and follows in one request
"""
