-- Writes the value ARGV[2] unless what is stored begins with a position that is not smaller than ARGV[1]. Positions are decimal,
-- without sign and leading zeros; they are compared as text, since numbers of Lua are exact to 2^53 only. ARGV[3] is the time to
-- live in milliseconds, 0 = for ever. Answers 1, or 0 if nothing was changed. It touches one key.
local start = redis.pcall('GETRANGE', KEYS[1], 0, 47)
if type(start) == 'table' then return start end
local stored = string.match(start, '^{"position":(%d+)[,}]')
if stored and (#stored > #ARGV[1] or (#stored == #ARGV[1] and stored >= ARGV[1])) then return 0 end
local written
if ARGV[3] == '0' then
  written = redis.pcall('SET', KEYS[1], ARGV[2])
else
  written = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
if type(written) == 'table' and written.err then return written end
return 1
