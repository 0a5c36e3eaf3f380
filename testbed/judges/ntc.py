"""Reads what a show printed with the public templates for such switches, and prints the rows as JSON.

Usage: ntc.py COMMAND < TEXT
"""

import json
import sys

from ntc_templates.parse import parse_output

rows = parse_output(platform="cisco_nxos", command=sys.argv[1], data=sys.stdin.read())
json.dump(rows, sys.stdout)
