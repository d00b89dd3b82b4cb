"""
The store: calls, runs and their sums in SQLite or PostgreSQL. A projection of the journal; the only SQL.

    engine     open a store, transactions, errors        tables      the rows
    migrations how the tables came to be                 bounds      what a database takes
    write      save calls, facts and positions           names       small tables and their keys
    rows       a Call as columns, and back               payload     what lies compressed
    chain      messages, stored once                     run_rows    a run's row from its calls and facts
    rollup     sums by hour and day; check, rebuild      prune       drop old months, give the space back
    read       lists, details, exports                   report      sums over a period, from rollups
"""
