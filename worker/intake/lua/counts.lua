-- How many there are where, at one moment.
return {'ok', now, redis.call('LLEN', k.inbox), redis.call('ZCARD', k.ready),
    redis.call('ZCARD', k.delayed), redis.call('ZCARD', k.active), redis.call('ZCARD', k.done),
    redis.call('ZCARD', k.dead), redis.call('LLEN', k.rejected)}
