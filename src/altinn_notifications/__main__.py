"""`python -m altinn_notifications`"""

from altinn_notifications.cli import main

main()
