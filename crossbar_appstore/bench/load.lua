-- For wrk: one request over and over; writes as JSON how many replies came back.
-- Arguments: method, body, number of client addresses, number of paths, milliseconds between a reply and the
-- next request, then header names and values in turn.

local requests, at = {}, 0

function init(args)
   wrk.method = args[1]
   if args[2] ~= "" then wrk.body = args[2] end
   for i = 6, #args, 2 do wrk.headers[args[i]] = args[i + 1] end
   local think = tonumber(args[5])
   if think > 0 then
      -- wrk waits whole milliseconds: chance makes the average.
      delay = function()
         local whole = math.floor(think)
         return math.random() < think - whole and whole + 1 or whole
      end
   end
   local addresses, variants = tonumber(args[3]), tonumber(args[4])
   local number = math.max(addresses, variants)
   if number == 0 then return end
   for i = 0, number - 1 do
      if addresses > 0 then
         local from = i % addresses
         wrk.headers["X-Forwarded-For"] = string.format("10.%d.%d.%d", from / 65536, from / 256 % 256, from % 256)
      end
      requests[i] = wrk.format(nil, variants > 0 and string.format(wrk.path, i % variants) or nil)
   end
   request = function()
      at = (at + 1) % number
      return requests[at]
   end
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"refused":%d,"failures":%d,"seconds":%.6f,"p50":%.6f,"p99":%.6f}\n',
      summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
      summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
