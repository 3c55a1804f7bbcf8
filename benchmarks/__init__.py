"""The benchmark: what the kit costs beside a plain formulation of the same thing. ``make bench`` runs it.

==================  ==================================================================================================
``yardstick/``      the plain formulation: networks, losses, one loader item, laser projection, evaluation
``kit.py``          the kit's training step, out of its public parts
``subjects/``       what is measured: whole steps, parts of the loss, data, use, the loader; and the list of it all
``harness.py``      the one way everything is timed: in turn, in one process, values compared
``memory.py``       peak memory, each contestant in a process of its own
``machine.py``      what the machine can do: rates of convolution and matrix product, and the least time of a step
``step_profile.py`` where a step's time goes, by kind of operation
``targets.py``      the targets, as data, and whether they are reached
``running.py``      from what is asked for to rows
``rows.py``         tidy rows;  ``table.py`` the table;  the figure is `lowtex_lab.plots.benchmark_overview`
==================  ==================================================================================================
"""
