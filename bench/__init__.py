"""What we promise about speed and limits, as programs: `python -m bench --help`."""
