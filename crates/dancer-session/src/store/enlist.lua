-- Adds a session to the index of its owner, before it is stored there.
-- KEYS[1] the index; ARGV: the member, how long it stays in milliseconds, from how many others on they
-- are told. Returns these others, or nothing.
-- Members are scored by the moment they end, by this server's clock alone.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
-- Never shortened; -1 where it has no expiry yet.
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
if redis.call('ZCARD', KEYS[1]) <= tonumber(ARGV[3]) then
  return {}
end
local others = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if member ~= ARGV[1] then
    others[#others + 1] = member
  end
end
return others
