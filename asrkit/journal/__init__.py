"""What was finished is on disk at once, keyed by content: nothing is lost, and nothing is done or paid twice.

``schema`` opens the file, ``store`` holds every statement that is run on it, ``keys`` says when two rows are the same,
``attempts`` who was at work when a process died, ``book`` what was sent and not answered, ``run`` what one call takes
and gives, ``place`` where the file lies, ``command`` the words of the shell.
"""
