"""The queue in Redis: items, leases, heartbeats, limits that nodes share."""
