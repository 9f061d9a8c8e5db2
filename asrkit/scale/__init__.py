"""Tables bigger than memory, shard by shard, here or on a cluster; and a plan for what is bigger than a machine.

``files`` is the way in; ``inputs`` finds the shards, ``job`` keeps what is done to each, ``shard`` does one of them,
``supervisor`` does so in a ``worker`` process, ``cluster`` launches supervisors on Ray.
"""
