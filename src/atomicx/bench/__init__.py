"""What an operation costs here: the measuring tools behind `python -m atomicx bench`.

`harness` measures any cases side by side, `operations` and `alternatives` are the tables of cases, `share`
selects those that the command runs, `report` and `chart` show the results. Not imported with the package.
"""
