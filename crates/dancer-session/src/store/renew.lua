-- Moves a session to a new key and leaves a stub, if its payload is still the one that was read.
-- KEYS[1] the old key, KEYS[2] the new one; ARGV: the payload read, the stub, its time to live,
-- the new payload, its time to live (both in milliseconds).
-- Returns 1: renewed; 0: the new key is taken; nil: gone; a string: what is there instead.
local there = redis.call('GET', KEYS[1])
if there ~= ARGV[1] then
  return there
end
if not redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5], 'NX') then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
