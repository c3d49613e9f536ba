-- How many there are where, at one moment.
return {'ok', now, redis.call('LLEN', k_inbox), redis.call('ZCARD', k_ready),
    redis.call('ZCARD', k_delayed), redis.call('ZCARD', k_active), redis.call('ZCARD', k_done),
    redis.call('ZCARD', k_dead), redis.call('LLEN', k_rejected)}
