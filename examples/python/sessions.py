"""A program for the published client: only the import is another. It runs on any skaha server, CANFAR's included.

CANFAR_URL=http://127.0.0.1:8080 CANFAR_TOKEN=… python examples/python/sessions.py IMAGE
"""

import sys
import time

from science_platform.sessions import Session

session = Session()
ids = session.create(name="parameter-study", image=sys.argv[1], cmd="echo", args=["a point"], replicas=2)
while any(one["status"] in {"Pending", "Running", "Terminating"} for one in session.info(ids)):
    time.sleep(1)
for id, log in session.logs(ids).items():
    print(id, log, end="")
print(len(session.destroy(ids)), "destroyed")
