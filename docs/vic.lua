-- Wireshark dissector for VIC (docs/vic.md): EtherType 0x8940, ECP subtypes 1008 and 1009.
--   wireshark -X lua_script:docs/vic.lua
-- Other subtypes (VDP, PE-CSP) go on to Wireshark's own dissector.

local vic = Proto("vic", "NIV control protocol")

vic.prefs.subtype = Pref.uint("Subtype, acknowledged", 1008, "ECP subtype of PDUs that are acknowledged")
vic.prefs.aside = Pref.uint("Subtype, not acknowledged", 1009, "ECP subtype of Open, Keepalive, Probe and Close")

local kinds = {
  [1] = "Open", [2] = "Keepalive", [3] = "Probe", [4] = "Close",
  [16] = "VifCreate", [17] = "VifEnable", [18] = "VifDisable", [19] = "VifSet", [20] = "VifDelete", [21] = "VifStatus",
  [32] = "ListSet", [33] = "ListDelete", [34] = "ListUnknown", [48] = "ProfileCatalogue",
  [64] = "Prepare", [65] = "Commit", [66] = "Abort", [80] = "Counters",
}
local roles = { [0] = "request", [1] = "answer", [2] = "refusal" }
local codes = {
  [1] = "malformed", [2] = "unsupported", [3] = "wrong_key", [4] = "key_required", [5] = "key_not_wanted",
  [6] = "no_authentication", [7] = "version", [8] = "duplicate_identity", [9] = "link_busy", [10] = "stale_term",
  [11] = "in_use", [12] = "unknown_profile", [13] = "profile_not_allowed", [14] = "profile_incomplete", [15] = "mtu",
  [16] = "no_vif_free", [17] = "no_list_free", [18] = "unknown_vif", [19] = "unknown_list", [20] = "list_exists",
  [21] = "not_prepared", [22] = "shut", [23] = "going_away", [24] = "hold_time", [25] = "replaced",
  [26] = "detached", [27] = "superseded", [28] = "not_allowed", [29] = "failed",
}

local f = {
  ecp_version = ProtoField.uint16("ecp.ver", "ECP version", base.DEC, nil, 0xF000),
  ecp_operation = ProtoField.uint16("ecp.op", "ECP operation", base.DEC, { [0] = "request", [1] = "acknowledgement" }, 0x0C00),
  ecp_subtype = ProtoField.uint16("ecp.subtype", "ECP subtype", base.DEC, nil, 0x03FF),
  ecp_sequence = ProtoField.uint16("ecp.seqno", "ECP sequence"),
  oui = ProtoField.bytes("vic.oui", "OUI", base.DASH),
  version = ProtoField.uint8("vic.version", "Version"),
  direction = ProtoField.uint8("vic.direction", "Direction", base.DEC, { [0] = "IV to VIS", [1] = "VIS to IV" }),
  authenticator_kind = ProtoField.uint8("vic.authenticator_kind", "Authenticator", base.DEC, { [0] = "CRC-32C", [1] = "HMAC-SHA-256" }),
  length = ProtoField.uint16("vic.length", "Octets of messages"),
  sender = ProtoField.uint64("vic.sender", "Sender's nonce", base.HEX),
  receiver = ProtoField.uint64("vic.receiver", "Receiver's nonce", base.HEX),
  sequence = ProtoField.uint64("vic.sequence", "Sequence"),
  authenticator = ProtoField.bytes("vic.authenticator", "Authenticator"),
  kind = ProtoField.uint8("vic.kind", "Kind", base.DEC, kinds),
  role = ProtoField.uint8("vic.role", "Role", base.DEC, roles),
  message_length = ProtoField.uint16("vic.message_length", "Octets of fields"),
  transaction = ProtoField.uint32("vic.transaction", "Transaction"),
  unknown = ProtoField.bytes("vic.unknown", "Unknown field"),
}

-- number = { name, type }
local fields = {
  [1] = { "vif", "u16" }, [2] = { "list", "u16" }, [3] = { "uuid", "guid" }, [4] = { "mac", "ether" },
  [5] = { "name", "text" }, [6] = { "profile", "text" }, [7] = { "owner_name", "text" }, [8] = { "owner_uuid", "guid" },
  [9] = { "mtu", "u16" }, [10] = { "members", "members" }, [11] = { "code", "code" }, [12] = { "sentence", "text" },
  [13] = { "identity", "guid" }, [14] = { "term", "u64" }, [15] = { "max_vifs", "u16" }, [16] = { "max_lists", "u16" },
  [17] = { "capabilities", "u32" }, [18] = { "hold", "u32" }, [19] = { "veth", "u32" }, [20] = { "veth_name", "text" },
  [21] = { "up", "u8" }, [22] = { "generation", "u32" }, [23] = { "part", "part" }, [24] = { "profile_entry", "profile" },
  [25] = { "counters", "counters" }, [26] = { "size", "u16" }, [27] = { "padding", "bytes" }, [28] = { "software", "text" },
}
local sizes = { u8 = 1, u16 = 2, u32 = 4, u64 = 8, guid = 16, ether = 6, code = 2, members = 512, part = 4, counters = 48 }
local makers = {
  u8 = ProtoField.uint8, u16 = ProtoField.uint16, u32 = ProtoField.uint32, u64 = ProtoField.uint64, guid = ProtoField.guid,
  ether = ProtoField.ether, text = ProtoField.string, bytes = ProtoField.bytes, members = ProtoField.uint16,
}
for _, field in pairs(fields) do
  local name, kind = field[1], field[2]
  if kind == "code" then
    f[name] = ProtoField.uint16("vic." .. name, name, base.DEC, codes)
  elseif makers[kind] then
    f[name] = makers[kind]("vic." .. name, name)
  end
end
f.part_index = ProtoField.uint16("vic.part.index", "Part")
f.part_count = ProtoField.uint16("vic.part.count", "Parts")
f.entry_name = ProtoField.string("vic.profile_entry.name", "Profile")
f.entry_description = ProtoField.string("vic.profile_entry.description", "Description")
local totals = { "to_frames", "to_octets", "from_frames", "from_octets", "list_copies", "dropped" }
for _, name in ipairs(totals) do
  f["counters_" .. name] = ProtoField.uint64("vic.counters." .. name, name)
end
vic.fields = f

local malformed = ProtoExpert.new("vic.malformed", "VIC cannot be read", expert.group.MALFORMED, expert.severity.ERROR)
vic.experts = { malformed }

local function value(tree, range, field)
  local name, kind = field[1], field[2]
  if sizes[kind] and range:len() ~= sizes[kind] then
    tree:add_proto_expert_info(malformed, name .. " has a wrong length")
  elseif kind == "members" then
    local members = tree:add(range, "members")
    local count = 0
    for n = 1, 4095 do
      if bit.band(range(math.floor(n / 8), 1):uint(), bit.rshift(0x80, n % 8)) ~= 0 then
        members:add(f.members, range(math.floor(n / 8), 1), n)
        count = count + 1
      end
    end
    members:append_text(": " .. count)
  elseif kind == "part" then
    tree:add(f.part_index, range(0, 2))
    tree:add(f.part_count, range(2, 2))
  elseif kind == "profile" then
    if range:len() < 1 or range:len() < 1 + range(0, 1):uint() then
      tree:add_proto_expert_info(malformed, "profile_entry is cut short")
      return
    end
    local length = range(0, 1):uint()
    tree:add(f.entry_name, range(1, length))
    if range:len() > 1 + length then tree:add(f.entry_description, range(1 + length)) end
  elseif kind == "counters" then
    for n, total in ipairs(totals) do tree:add(f["counters_" .. total], range(8 * (n - 1), 8)) end
  else
    tree:add(f[name], range)
  end
end

local function message(buffer, tree, at, stop)
  if stop - at < 8 or stop - at - 8 < buffer(at + 2, 2):uint() then
    tree:add_proto_expert_info(malformed, "a message is cut short")
    return stop, "malformed"
  end
  local length = buffer(at + 2, 2):uint()
  local kind, role = buffer(at, 1):uint(), buffer(at + 1, 1):uint()
  local name = kinds[kind] or ("kind " .. kind)
  if role == 1 then name = name .. " (answer)" elseif role == 2 then name = name .. " (refused)" end
  local sub = tree:add(vic, buffer(at, 8 + length), name)
  sub:add(f.kind, buffer(at, 1))
  sub:add(f.role, buffer(at + 1, 1))
  sub:add(f.message_length, buffer(at + 2, 2))
  sub:add(f.transaction, buffer(at + 4, 4))
  local field, last = at + 8, at + 8 + length
  while field < last do
    if last - field < 4 or last - field - 4 < buffer(field + 2, 2):uint() then
      sub:add_proto_expert_info(malformed, "a field is cut short")
      break
    end
    local number, size = bit.band(buffer(field, 2):uint(), 0x7FFF), buffer(field + 2, 2):uint()
    if fields[number] and size > 0 then
      value(sub, buffer(field + 4, size), fields[number])
    elseif not fields[number] then
      sub:add(f.unknown, buffer(field, 4 + size))
    end
    field = field + 4 + size
  end
  return last, name
end

local original = DissectorTable.get("ethertype"):get_dissector(0x8940)

function vic.dissector(buffer, pinfo, tree)
  local subtype = buffer:len() >= 4 and bit.band(buffer(0, 2):uint(), 0x3FF)
  if subtype ~= vic.prefs.subtype and subtype ~= vic.prefs.aside then
    return original and original:call(buffer, pinfo, tree) or 0
  end
  pinfo.cols.protocol = "VIC"
  local root = tree:add(vic, buffer())
  root:add(f.ecp_version, buffer(0, 2))
  root:add(f.ecp_operation, buffer(0, 2))
  root:add(f.ecp_subtype, buffer(0, 2))
  root:add(f.ecp_sequence, buffer(2, 2))
  if bit.band(buffer(0, 2):uint(), 0x0C00) ~= 0 then
    pinfo.cols.info = "acknowledgement " .. buffer(2, 2):uint()
    return buffer:len()
  end
  if buffer:len() < 36 or buffer:len() < 36 + buffer(10, 2):uint() then
    root:add_proto_expert_info(malformed, "the frame is cut short")
    return buffer:len()
  end
  root:add(f.oui, buffer(4, 3))
  root:add(f.version, buffer(7, 1))
  root:add(f.direction, buffer(8, 1))
  root:add(f.authenticator_kind, buffer(9, 1))
  root:add(f.length, buffer(10, 2))
  root:add(f.sender, buffer(12, 8))
  root:add(f.receiver, buffer(20, 8))
  root:add(f.sequence, buffer(28, 8))
  local at, stop, names, name = 36, 36 + buffer(10, 2):uint(), {}, nil
  while at < stop do
    at, name = message(buffer, root, at, stop)
    names[#names + 1] = name
  end
  local size = buffer(9, 1):uint() == 1 and 32 or 4
  if buffer:len() >= stop + size then
    root:add(f.authenticator, buffer(stop, size))
  else
    root:add_proto_expert_info(malformed, "the authenticator is cut short")
  end
  pinfo.cols.info = table.concat(names, ", ")
  return buffer:len()
end

DissectorTable.get("ethertype"):add(0x8940, vic)
