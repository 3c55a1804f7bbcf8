"""Speed and memory of the kit beside a plain formulation of the same (``python -m benchmarks``, ``make bench``).

``harness.py``      contestants take turns, are compared and timed; peak memory in a process of its own
``yardstick/``      the plain formulation: networks, losses, one loader item, laser projection, evaluation
``subjects/``       what is measured: whole steps, the training loop, parts of the loss, readers, use; and the list
``machine.py``      what the machine can do, a step's arithmetic, and where a step's time goes
``rows.py``         tidy rows, the targets (``targets.yaml``) and the table; ``__main__.py`` is the command
"""
