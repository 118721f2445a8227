"""The three stores: queue (Redis), ledger (SQL) and graph (Bolt)."""
