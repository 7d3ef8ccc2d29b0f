#!/bin/sh
# What the Lambda Web Adapter starts: it turns invocations into requests and streams the answers back.
export PYTHONPATH="/opt/python:${LAMBDA_TASK_ROOT:-/var/task}${PYTHONPATH:+:$PYTHONPATH}"
exec python3 -m uvicorn app:app --host 127.0.0.1 --port "${AWS_LWA_PORT:-8080}" --log-level warning --no-access-log --no-server-header
