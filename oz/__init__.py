"""Oz installs guest operating systems unattended, with each system's own installer.

The floors of the house, ground first; a module imports only from floors below its own:

0. errors, units                        what can go wrong; sizes
1. model, protocols, progress           the records that cross module borders; what runs; progress events
2. config, tdl, render, domain, ...     files in, records out; records in, text out
3. guests                               everything that knows an operating system; plans, never acts
4. host                                 everything that touches the world; one library a module
5. session, install, customize, manifest    the phases, where plans are carried out
6. cli                                  arguments, logging, exit status

Read model first, then install.py.
"""

__version__ = "0.1.0"
