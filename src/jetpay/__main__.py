"""The command `jetpay`."""


def main() -> None:
    """What the installed script runs."""
    from jetpay.cli.commands import run

    run()


if __name__ == "__main__":
    main()
