"""The parent process and its children: HTTP workers and the loop that does what is due."""
