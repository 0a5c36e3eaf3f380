"""The control protocol VIC at the end of an interface virtualizer (IV), written from docs/vic.md alone; tiny_iv.py uses it.

Numbers like "vic 4" name sections of docs/vic.md. From frames to fields first, then a session. No input or output in here but
`link.uplink.send`. `python3 tiny_vic.py` checks the frames of vic 11.
"""
import collections, hashlib, hmac, struct

INFINITY = float("inf")
ECP = b"\x89\x40"
BRIDGE = bytes.fromhex("0180c2000000")  # vic 1: where an Open goes
OUI, VERSION, TO_VIS, TO_IV = b"\x4e\x49\x56", 1, 0, 1
ACKNOWLEDGED, UNACKNOWLEDGED = 1008, 1009  # vic 1, 2: the two subtypes
ACKNOWLEDGEMENT_S, REPETITIONS = 10e-6 * 2**10, 5  # vic 2
HOLD_MS, WINDOW = 900, 64  # vic 9, 4
REQUEST, YES, NO = 0, 1, 2  # vic 5: roles

# vic 5, "Fields": name: (number, critical, type, least size, greatest size, test of the value)
FIELDS = {
    "vif": (1, 1, int, 2, 2, lambda v: 1 <= v <= 4095), "list": (2, 1, int, 2, 2, lambda v: 1 <= v <= 16383),
    "uuid": (3, 1, bytes, 16, 16, None), "mac": (4, 1, bytes, 6, 6, lambda v: any(v) and not v[0] & 1),
    "name": (5, 1, str, 0, 64, None), "profile": (6, 1, str, 0, 64, None),
    "owner_name": (7, 0, str, 0, 128, None), "owner_uuid": (8, 0, bytes, 16, 16, None), "mtu": (9, 1, int, 2, 2, lambda v: v >= 68),
    "members": (10, 1, bytes, 512, 512, lambda v: not v[0] & 0x80), "code": (11, 1, int, 2, 2, None),
    "sentence": (12, 0, str, 0, 240, None), "identity": (13, 1, bytes, 16, 16, None), "term": (14, 1, int, 8, 8, None),
    "max_vifs": (15, 1, int, 2, 2, lambda v: 1 <= v <= 4095),
    "max_lists": (16, 1, int, 2, 2, lambda v: v <= 16383), "capabilities": (17, 0, int, 4, 4, None),
    "hold": (18, 1, int, 4, 4, lambda v: 100 <= v <= 60000), "veth": (19, 1, int, 4, 4, None), "veth_name": (20, 0, str, 0, 64, None),
    "up": (21, 1, int, 1, 1, lambda v: v <= 1), "generation": (22, 1, int, 4, 4, None),
    "part": (23, 1, bytes, 4, 4, lambda v: v[:2] < v[2:]), "profile_entry": (24, 1, bytes, 1, 305, lambda v: v[0] < len(v)),
    "counters": (25, 1, bytes, 48, 48, None), "size": (26, 1, int, 2, 2, None), "padding": (27, 0, bytes, 0, 65535, None),
    "software": (28, 0, str, 0, 64, None),
}
FIELD_NAMES = {field[0]: name for name, field in FIELDS.items()}

# vic 5, "Kinds", as far as an IV sends or takes them; OPEN_YES and so on: the fields of what the VIS says. "?": may be absent.
OPEN, KEEPALIVE, PROBE, CLOSE, CREATE, ENABLE, DISABLE, DELETE, STATUS = 1, 2, 3, 4, 16, 17, 18, 20, 21
LIST_SET, LIST_DELETE, LIST_UNKNOWN, CATALOGUE, COUNTERS = 32, 33, 34, 48, 80
OPEN_YES, CREATE_YES, WHY = "identity name term mtu hold capabilities? software?", "vif veth veth_name?", "code sentence?"
REQUESTS_OF_THE_VIS = {
    ENABLE: "vif", DISABLE: "vif code sentence?", DELETE: "vif uuid code sentence?", STATUS: "vif up code? sentence?",
    LIST_SET: "list members", LIST_DELETE: "list?", CATALOGUE: "generation part profile_entry*",
}
CODES = [None] + """malformed unsupported wrong_key key_required key_not_wanted no_authentication version duplicate_identity link_busy
stale_term in_use unknown_profile profile_not_allowed profile_incomplete mtu no_vif_free no_list_free unknown_vif unknown_list
list_exists not_prepared shut going_away hold_time replaced detached superseded not_allowed failed""".split()  # vic 8


class Refusal(Exception):
    """Answer "no"; the first argument is a name of CODES."""


def code_name(fields):
    number = fields.get("code", 0)
    return CODES[number] if 0 < number < len(CODES) else f"code-{number}"


# ---- vic 1: authenticators and the envelope

CRC_TABLE = []
for entry in range(256):
    for _ in range(8):
        entry = entry >> 1 ^ (0x82F63B78 if entry & 1 else 0)
    CRC_TABLE.append(entry)


def crc32c(octets):
    crc = 0xFFFFFFFF
    for octet in octets:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ octet) & 0xFF]
    return crc ^ 0xFFFFFFFF


def authenticator(octets, key):
    return hmac.digest(key, octets, hashlib.sha256) if key else struct.pack(">I", crc32c(octets))


def ecp_header(destination, source, operation, subtype, sequence):
    return destination + source + ECP + struct.pack(">HH", 1 << 12 | operation << 10 | subtype, sequence)


def envelope(header, nonces, sequence, messages, key, direction=TO_VIS):
    """A whole frame; `nonces` are the sender's and the receiver's."""
    octets = header + OUI + struct.pack(">BBBHQQQ", VERSION, direction, bool(key), len(messages), *nonces, sequence) + messages
    return octets + authenticator(octets, key)


Frame = collections.namedtuple("Frame", "source subtype ecp keyed sender receiver sequence messages")


def open_envelope(octets, key, direction=TO_IV):
    """The frame in the octets of a request, or None if it is to be dropped. Its authenticator is right for its own kind."""
    if len(octets) < 50 or octets[18:21] != OUI:
        return None
    version, way, keyed, length, sender, receiver, sequence = struct.unpack(">BBBHQQQ", octets[21:50])
    end = 50 + length
    if version != VERSION or way != direction or keyed > 1 or (keyed and not key):
        return None
    proof = authenticator(octets[:end], key if keyed else None)
    if len(octets) < end + len(proof) or not hmac.compare_digest(proof, octets[end:end + len(proof)]):
        return None
    first, ecp = struct.unpack(">HH", octets[14:18])
    return Frame(octets[6:12], first & 0x3FF, ecp, keyed, sender, receiver, sequence, octets[50:end])


# ---- vic 5: messages

def message(kind, role, transaction, **fields):
    """One message; fields that are None are left out. Keep the order of the table of kinds."""
    body = b""
    for name, value in fields.items():
        if value is not None:
            number, critical, form, _, size, _ = FIELDS[name]
            value = value.to_bytes(size, "big") if form is int else value.encode() if form is str else value
            body += struct.pack(">HH", critical << 15 | number, len(value)) + value
    return struct.pack(">BBHI", kind, role, len(body), transaction) + body


Message = collections.namedtuple("Message", "kind role transaction fields")


def parse_messages(octets):
    """All messages of a frame, their fields still raw; None if headers and lengths do not add up."""
    messages = []
    while octets:
        if len(octets) < 8:
            return None
        kind, role, length, transaction = struct.unpack(">BBHI", octets[:8])
        body, octets, fields = octets[8:8 + length], octets[8 + length:], []
        if len(body) < length:
            return None
        while body:
            if len(body) < 4:
                return None
            number, size = struct.unpack(">HH", body[:4])
            if len(body) < 4 + size:
                return None
            fields.append((number, body[4:4 + size]))
            body = body[4 + size:]
        messages.append(Message(kind, role, transaction, fields))
    return messages


def read_fields(raw, wanted):
    """The fields a kind has, by name ("?" may be absent, "*" may stand many times); raises Refusal."""
    found, names = {}, {name.rstrip("?*"): name[-1] for name in wanted.split()}
    for number, value in raw:
        name = FIELD_NAMES.get(number & 0x7FFF)
        if name not in names:  # known is what the kind has
            if number & 0x8000:
                raise Refusal("unsupported", f"field {number & 0x7FFF} is not known here")
            continue
        _, _, form, least, greatest, test = FIELDS[name]
        if not least <= len(value) <= greatest or (name in found and names[name] != "*"):
            raise Refusal("malformed", f"{name} stands twice or has a wrong size")
        if form is str:
            try:
                value = value.decode()
            except UnicodeDecodeError:
                raise Refusal("malformed", f"{name} is not UTF-8") from None
            test = lambda text: not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)
        value = int.from_bytes(value, "big") if form is int else value
        if test and not test(value):
            raise Refusal("malformed", f"{name} is out of range")
        found[name] = found.get(name, []) + [value] if names[name] == "*" else value
    for name, mark in names.items():
        if name not in found and mark not in "?*":
            raise Refusal("malformed", f"{name} is missing")
    return found


# ---- vic 2 and 4: a session, from the answer to Open until it is lost

class Asked:
    """A request of ours that is not answered yet."""
    def __init__(self, kind, octets, then):
        self.kind, self.octets, self.then, self.delay, self.due = kind, octets, then, 0.1, INFINITY


class Session:
    """`link` is told what to do by `execute(kind, raw fields)`, which gives the fields of the answer "yes" or raises Refusal."""

    def __init__(self, link, nonces, peer, hold_ms, mtu, now):
        self.link, self.nonces, self.peer = link, nonces, peer
        self.limit = 14 + min(1500, mtu) - 50 - (32 if link.key else 4)  # octets of messages in one PDU
        self.interval = min(hold_ms, HOLD_MS) / 7000
        self.heard, self.keepalive_at = now, now  # the first Keepalive is step 3 of vic 3
        self.sent, self.highest, self.seen = 0, 0, 0  # numbers of frames: ours, theirs, and which of theirs came (bit 0: highest)
        self.ecp, self.out, self.out_left, self.out_at = 0, None, 0, INFINITY
        self.queue = collections.deque()  # (transaction of a request of ours or None, octets)
        self.next, self.asked, self.held = 1, {}, collections.deque()
        self.expected, self.early, self.answers = 1, {}, {}

    def send(self, subtype, ecp, messages):
        self.sent += 1
        header = ecp_header(self.peer, self.link.address, 0, subtype, ecp)
        octets = envelope(header, self.nonces, self.sent, messages, self.link.key)
        self.link.uplink.send(octets)
        return octets

    def request(self, kind, then=lambda yes, fields: None, **fields):
        self.held.append((kind, fields, then))

    def close(self, code, sentence):
        octets = self.send(UNACKNOWLEDGED, 1, message(CLOSE, REQUEST, 0, code=CODES.index(code), sentence=sentence))
        for _ in range(2):
            self.link.uplink.send(octets)

    def tick(self, now):
        """Sends what is due; gives the time of the next call, or None when the session is lost."""
        if now >= self.heard + HOLD_MS / 1000:
            return None
        if now >= self.keepalive_at:
            self.send(UNACKNOWLEDGED, 1, message(KEEPALIVE, REQUEST, 0))
            self.keepalive_at = max(self.keepalive_at + self.interval, now)
        while self.held and self.next < min(self.asked, default=self.next) + WINDOW:
            kind, fields, then = self.held.popleft()
            self.asked[self.next] = Asked(kind, message(kind, REQUEST, self.next, **fields), then)
            self.queue.append((self.next, self.asked[self.next].octets))
            self.next += 1
        for transaction, asked in self.asked.items():
            if now >= asked.due:
                asked.due = INFINITY  # until it is on the wire
                self.queue.append((transaction, asked.octets))
        if self.out and now >= self.out_at:  # no acknowledgement came
            self.out_left -= 1
            if self.out_left < 0:
                self.out = None
            else:
                self.link.uplink.send(self.out)
                self.out_at = now + ACKNOWLEDGEMENT_S
        if not self.out and self.queue:
            self.send_batch(now)
        due = min((asked.due for asked in self.asked.values()), default=INFINITY)
        return min(self.heard + HOLD_MS / 1000, self.keepalive_at, due, self.out_at if self.out else INFINITY)

    def send_batch(self, now):
        batch = b""
        while self.queue and len(batch) + len(self.queue[0][1]) <= self.limit:
            transaction, octets = self.queue.popleft()
            asked = self.asked.get(transaction)
            if transaction is not None and asked is None:
                continue  # answered in the meantime
            if asked:
                asked.due, asked.delay = now + asked.delay, min(asked.delay * 2, 0.4)
            batch += octets
        if batch:
            self.ecp = self.ecp % 0xFFFF + 1
            self.out = self.send(ACKNOWLEDGED, self.ecp, batch)
            self.out_left, self.out_at = REPETITIONS, now + ACKNOWLEDGEMENT_S

    def acknowledged(self, ecp):
        if self.out and ecp == self.ecp:
            self.out = None

    def receive(self, frame, size, now):
        """A frame whose authenticator and nonces are right; `size` is its length after the EtherType."""
        if frame.subtype == ACKNOWLEDGED:
            self.link.uplink.send(ecp_header(self.peer, self.link.address, 1, ACKNOWLEDGED, frame.ecp))
        ahead = frame.sequence - self.highest
        if frame.sequence == 0 or ahead <= -128 or (ahead <= 0 and self.seen >> -ahead & 1):
            return  # the answer to Open, too old, or here already
        if ahead > 0:
            self.seen = (self.seen << min(ahead, 128) | 1) & (1 << 128) - 1
            self.highest = frame.sequence
        else:
            self.seen |= 1 << -ahead
        self.heard = now
        for each in parse_messages(frame.messages) or ():
            if each.kind == CLOSE:
                return self.link.closed(each, now)
            if each.kind == PROBE and each.role == REQUEST:
                self.answer_probe(each, size)
            elif each.kind > CLOSE and each.role == REQUEST:
                self.take_request(each)
            elif each.kind > CLOSE and each.role in (YES, NO):
                asked = self.asked.get(each.transaction)
                if asked and asked.kind == each.kind:
                    del self.asked[each.transaction]
                    asked.then(each.role == YES, each.fields)

    def answer_probe(self, probe, size):
        try:
            asked = read_fields(probe.fields, "size padding?")["size"]
        except Refusal:
            return
        if asked <= size:
            self.send(UNACKNOWLEDGED, 1, message(PROBE, YES, 0, size=asked))

    def take_request(self, request):
        """Requests are executed in the order of their numbers, each once."""
        number = request.transaction
        if number in self.answers:
            self.queue.append((None, self.answers[number]))
        elif self.expected <= number < self.expected + WINDOW:
            self.early[number] = request
        while self.expected in self.early:
            number, request = self.expected, self.early.pop(self.expected)
            try:
                self.link.execute(request.kind, request.fields)
                answer = message(request.kind, YES, number)
            except Refusal as refusal:
                code, sentence = refusal.args
                answer = message(request.kind, NO, number, code=CODES.index(code), sentence=sentence)
            self.answers[number] = answer
            self.answers.pop(number - WINDOW, None)
            self.queue.append((None, answer))
            self.expected += 1


# ---- vic 11: the two frames

EXAMPLE_OPEN = """
01 80 c2 00 00 00 02 00 00 00 00 01 89 40 13 f1 00 01 4e 49 56 01 00 00 00 53 11 11 11 11 11 11
11 11 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00 4b 00 00 00 00 80 0d 00 10 01 01
01 01 01 01 01 01 01 01 01 01 01 01 01 01 80 05 00 05 68 6f 73 74 31 80 0e 00 08 00 00 00 00 00
00 00 00 80 09 00 02 06 40 80 12 00 04 00 00 03 84 80 0f 00 02 0f ff 80 10 00 02 10 00 00 11 00
04 00 00 00 00 ca df 86 7c"""
EXAMPLE_CREATE = """
02 00 00 00 00 02 02 00 00 00 00 01 89 40 13 f0 00 01 4e 49 56 01 00 01 00 45 11 11 11 11 11 11
11 11 22 22 22 22 22 22 22 22 00 00 00 00 00 00 00 02 10 00 00 3d 00 00 00 01 80 03 00 10 a0 a0
a0 a0 a0 a0 a0 a0 a0 a0 a0 a0 a0 a0 a0 01 80 04 00 06 02 00 00 01 00 01 80 05 00 04 74 61 70 31
80 06 00 07 64 65 66 61 75 6c 74 80 09 00 02 05 dc 80 01 00 02 00 05 e8 0e c8 fe 11 20 23 cf 91
f3 89 8d 9e 09 08 df 71 e2 29 86 e7 2a 8f 11 1a ca aa 52 a6 1c 63 ba"""


def self_test():
    assert crc32c(b"123456789") == 0xE3069283
    iv, vis, ours, theirs = bytes.fromhex("020000000001"), bytes.fromhex("020000000002"), 0x1111111111111111, 0x2222222222222222
    opening = message(OPEN, REQUEST, 0, identity=b"\x01" * 16, name="host1", term=0, mtu=1600, hold=900, max_vifs=4095,
                      max_lists=4096, capabilities=0)
    octets = envelope(ecp_header(BRIDGE, iv, 0, UNACKNOWLEDGED, 1), (ours, 0), 0, opening, None)
    assert octets == bytes.fromhex(EXAMPLE_OPEN), octets.hex(" ")
    key = b"0123456789abcdef"
    creating = message(CREATE, REQUEST, 1, uuid=b"\xa0" * 15 + b"\x01", mac=bytes.fromhex("020000010001"), name="tap1",
                       profile="default", mtu=1500, vif=5)
    octets = envelope(ecp_header(vis, iv, 0, ACKNOWLEDGED, 1), (ours, theirs), 2, creating, key)
    assert octets == bytes.fromhex(EXAMPLE_CREATE), octets.hex(" ")
    frame = open_envelope(octets + b"\0\0", key, TO_VIS)
    fields = read_fields(parse_messages(frame.messages)[0].fields, "uuid mac name profile mtu vif?")
    assert (frame.sequence, fields["name"], fields["vif"]) == (2, "tap1", 5)
    for bit in range(8 * len(octets)):  # any damage is seen
        damaged = (int.from_bytes(octets, "big") ^ 1 << bit).to_bytes(len(octets), "big")
        assert open_envelope(damaged, key, TO_VIS) is None
    print("self-test passed")


if __name__ == "__main__":
    self_test()
