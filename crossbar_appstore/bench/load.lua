-- For wrk: one request over and over; writes as JSON how many replies of each status came back.
-- Arguments: method, body, number of client addresses, number of query strings, then header names and values in turn.

local threads, statuses, requests, at = {}, {}, {}, 0

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   wrk.method = args[1]
   if args[2] ~= "" then wrk.body = args[2] end
   for i = 5, #args, 2 do wrk.headers[args[i]] = args[i + 1] end
   local addresses, variants = tonumber(args[3]), tonumber(args[4])
   local number = math.max(addresses, variants)
   if number == 0 then return end
   for i = 0, number - 1 do
      if addresses > 0 then
         local from = i % addresses
         wrk.headers["X-Forwarded-For"] = string.format("10.%d.%d.%d", from / 65536, from / 256 % 256, from % 256)
      end
      requests[i] = wrk.format(nil, variants > 0 and wrk.path .. "?variant=" .. i % variants or nil)
   end
   request = function()
      at = (at + 1) % number
      return requests[at]
   end
end

function response(status)
   local key = "status_" .. status
   statuses[key] = (statuses[key] or 0) + 1
   counts = statuses
end

function done(summary, latency)
   local total = {}
   for _, thread in ipairs(threads) do
      for key, number in pairs(thread:get("counts") or {}) do
         total[key] = (total[key] or 0) + number
      end
   end
   local parts = {}
   for key, number in pairs(total) do
      table.insert(parts, string.format('"%s":%d', key:sub(8), number))
   end
   local errors = summary.errors
   io.write(string.format(
      '{"statuses":{%s},"seconds":%.6f,"bytes":%d,"failures":%d,"p50":%.6f,"p99":%.6f}\n',
      table.concat(parts, ","), summary.duration / 1e6, summary.bytes,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
