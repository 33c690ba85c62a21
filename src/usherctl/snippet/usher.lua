-- /etc/haproxy/usher.lua, for the configuration that "usherctl snippet haproxy" prints.
-- It asks usher-http about a request, tells the application who the user is, and answers the
-- request itself where it is not granted.

local shim = "__SHIM__"
local told = {
    "__HEADER__",
}

-- What usher-http says to people goes on to them.
local passed = {
    "www-authenticate", "retry-after", "location", "x-usher-reason", "content-type", "cache-control",
}

local function refuse(txn, response)
    local reason = response.headers and response.headers["x-usher-reason"]
    if reason and reason[0] == "throttled" then
        response.status = 429
    end
    local reply = txn:reply({ status = response.status, body = response.body or "" })
    for _, name in ipairs(passed) do
        local values = response.headers and response.headers[name]
        if values then
            reply:add_header(name, values[0])
        end
    end
    txn:done(reply)
end

local function usher(txn)
    local headers = {
        ["x-real-ip"] = { txn.f:src() },
        ["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" },
        ["x-forwarded-host"] = { txn.sf:req_fhdr("host") },
        ["x-forwarded-uri"] = { txn.sf:pathq() },
    }
    local given = txn.http:req_get_headers()
    for _, name in ipairs({ "authorization", "accept" }) do
        if given[name] then
            -- One that is there twice must not become one.
            headers[name] = {}
            for place = 0, #given[name] do
                table.insert(headers[name], given[name][place])
            end
        end
    end
    for name, variable in pairs({ ["x-usher-realm"] = "txn.usher_realm", ["x-usher-require"] = "txn.usher_require" }) do
        local value = txn:get_var(variable)
        if value and value ~= "" then
            headers[name] = { value }
        end
    end

    local asked = { url = "http://usher-http/auth", dst = shim, headers = headers, timeout = 15000 }
    local done, response = pcall(function() return core.httpclient():get(asked) end)
    if not done or not response or response.status ~= 200 then
        if not done or not response or (response.status < 400 and response.status ~= 302) then
            response = { status = 503 }
        end
        return refuse(txn, response)
    end
    for _, name in ipairs(told) do
        local value = response.headers[string.lower(name)]
        txn.http:req_set_header(name, value and value[0] or "")
    end
    -- How old the answer is, where no directory answers, and that a password soon expires.
    for _, name in ipairs({ "x-usher-stale", "x-usher-warning" }) do
        local value = response.headers[name]
        if value then
            txn.http:req_set_header(name, value[0])
        end
    end
end

core.register_action("usher", { "http-req" }, usher)
