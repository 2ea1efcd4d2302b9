"""Code for the first and the last cell of a notebook, so that an error in a thread fails the run instead of passing."""

RECORD = """\
import threading as _threading
_caught, _hook = [], _threading.excepthook
def _keep(arguments):
    _caught.append(arguments.exc_value)
    _hook(arguments)
_threading.excepthook = _keep
"""

RAISE = """\
for _thread in _threading.enumerate():
    if _thread.name == "dpskit":  # a run in the background that has not ended
        _thread.join(300)
if _caught:
    raise RuntimeError("an error in a thread") from _caught[0]
"""
