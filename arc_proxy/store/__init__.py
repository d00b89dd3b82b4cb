"""
The store: calls, runs and their sums in SQLite or PostgreSQL. A projection of the journal; the only SQL.

What others call:

    engine      open_store, is_replaced         write    save, read_positions, forget_positions
    read        lists, details, exports         report   the card, tables and charts over a period
    rollup      check, rebuild                  prune    drop old months, give the space back
    timeline    what came since one looked      filters  which calls, which runs
    views, totals   the frozen rows that reading gives

What they stand on:

    tables      the rows, and migrations: how they came to be
    bounds      what a database takes           bulk     many rows in and out
    names       small tables and their keys     memory   what a saving process remembers
    rows, load  a Call as columns, and back     payload  what lies compressed
    chain       messages, stored once           sums     sums by hour and day, kept by difference
    run_rows    a run's row from its calls      run_table, fact_table   both while a transaction changes them
"""
