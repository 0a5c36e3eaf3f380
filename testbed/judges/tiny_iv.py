#!/usr/bin/env python3
"""A tiny interface virtualizer (IV), written from docs/vic.md alone: an example for who writes one, and a judge of the other end.

Numbers like "vic 4" name sections of docs/vic.md. One thread, standard library only.

    tiny_iv.py --uplink DEV --vnic NAME:PROFILE:UUID:DEV[/MAC] [--key-file FILE] [--state FILE] [--identity UUID]
    tiny_iv.py --self-test

MAC is the guest's address; without it the device's own is announced. Every event is one line on stdout. SIGUSR1 prints the counters,
SIGTERM ends the session. What an IV for daily use does and this one does not: it does not keep the host's own stack away from the
frames (give the devices no address), does not cut segments (guests need `ethtool -K DEV tso off gso off`), does not raise the
uplink's MTU (the vNIC's and 10 octets are needed), does not look for the link's real MTU, and takes no part in moves.
"""
import argparse, array, collections, fcntl, json, os, re, secrets, select, signal, socket, struct, sys, time, uuid
from tiny_vic import *

VNTAG, LLDP = b"\x89\x26", b"\x88\xcc"
SMALLEST_MTU, MAX_VIFS, MAX_LISTS = 1280, 4095, 4096


def event(*words):
    print(*(word for word in words if word != ""), flush=True)


# ---- devices: raw sockets of Linux, packet(7)

class Device:
    """With `guest`, frames come with a virtio header that tells of unfinished checksums (PACKET_VNET_HDR)."""

    def __init__(self, name, guest):
        self.name, self.guest = name, guest
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        for option in (8, 15) if guest else (8,):  # PACKET_AUXDATA, PACKET_VNET_HDR
            self.socket.setsockopt(263, option, 1)
        self.socket.bind((name, 3))  # ETH_P_ALL
        promiscuous = struct.pack("IHH8x", socket.if_nametoindex(name), 1, 0)
        self.socket.setsockopt(263, 1, promiscuous)  # PACKET_ADD_MEMBERSHIP
        self.address = self.socket.getsockname()[4]
        try:  # the host says nothing of its own here
            with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w") as file:
                file.write("1")
        except OSError:
            pass
        self.set_up(True)

    def ioctl(self, number, value=0):
        answer = fcntl.ioctl(self.socket, number, struct.pack("16sI20x", self.name.encode(), value))
        return struct.unpack("16sI20x", answer)[1]

    def flags(self):
        return self.ioctl(0x8913) & 0xFFFF

    def mtu(self):
        return self.ioctl(0x8921)

    def running(self):
        """Whether there is a carrier (ETHTOOL_GLINK: at once, where IFF_RUNNING comes up to a second later)."""
        command = array.array("I", [0x0A, 0])
        fcntl.ioctl(self.socket, 0x8946, struct.pack("16sP16x", self.name.encode(), command.buffer_info()[0]))
        return bool(command[1])

    def set_up(self, up):
        """Of a veth this is the carrier of the other end. An IV that holds the guest's TAP would use TUNSETCARRIER."""
        flags = self.flags() & ~1 | 0x80 | up  # IFF_NOARP, IFF_UP
        if flags != self.flags():
            self.ioctl(0x8914, flags)

    def receive(self):
        """The next frame with its VLAN tag put back, b"" for one that is not ours to carry, None when there is no more."""
        try:
            octets, ancillary, _, address = self.socket.recvmsg(1 << 17, 64)
        except OSError:
            return None
        if address[2] == 4:  # PACKET_OUTGOING
            return b""
        if self.guest:
            flags, gso, _, _, start, offset = struct.unpack("=BBHHHH", octets[:10])
            if gso:
                return b""
            octets = finish_checksum(octets[10:], start, start + offset) if flags & 1 else octets[10:]
        for level, kind, data in ancillary:
            if (level, kind) == (263, 8):
                status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
                if status & 0x10:  # TP_STATUS_VLAN_VALID
                    tag = struct.pack(">HH", tpid if status & 0x40 else 0x8100, tci)
                    octets = octets[:12] + tag + octets[12:]
        return octets

    def send(self, octets):
        try:
            self.socket.send(bytes(10) + octets if self.guest else octets)
            return True
        except OSError:
            return False


def finish_checksum(frame, start, at):
    covered = frame[start:] + b"\0" * (len(frame) - start & 1)
    total = sum(struct.unpack(f">{len(covered) // 2}H", covered))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return frame[:at] + struct.pack(">H", ~total & 0xFFFF or 0xFFFF) + frame[at + 2:]


def tag_inside(frame):
    """The drop reason if a tag of ours stands behind up to four VLAN tags (vic 14)."""
    at = 12
    while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8", b"\x91\x00"):
        at += 4
        if at > 12 + 4 * 4:
            return "too_many_tags"
    return "tag" if frame[at:at + 2] in (VNTAG, b"\x89\x3f") else None


# ---- vic 6: the interface virtualizer

class Vnic:
    """`state` is one of waiting, creating, created, down (without id), detaching; see the table in vic 6."""

    def __init__(self, text):
        self.name, self.profile, identifier, device = text.split(":", 3)
        self.uuid = uuid.UUID(identifier).bytes
        device, _, address = device.partition("/")
        self.device = Device(device, guest=True)
        self.mac = bytes.fromhex(address.replace(":", "")) or self.device.address
        self.state, self.vif, self.enabled, self.up = "waiting", None, False, True
        self.void, self.retry_at = set(), INFINITY
        self.counters, self.reported = [0] * 6, None  # in the order of the field `counters`

    def lose_id(self):
        self.vif, self.enabled = None, False


class Virtualizer:
    def __init__(self, options):
        self.key, self.state_file, self.state = None, options.state, {"term": 0, "vifs": {}}
        if options.key_file:
            with open(options.key_file, "rb") as file:
                self.key = file.read()
            if re.fullmatch(rb"([0-9A-Fa-f]{2}){32,64}\s*", self.key):  # deployment.md: as they are, or as hexadecimal digits
                self.key = bytes.fromhex(self.key.decode())
            if not 16 <= len(self.key) <= 64:
                sys.exit(f"{options.key_file}: a key has 16 to 64 octets, this one {len(self.key)}")
        if self.state_file and os.path.exists(self.state_file):
            with open(self.state_file) as file:
                self.state = json.load(file)
        self.identity = (options.identity or uuid.UUID(open("/etc/machine-id").read().strip())).bytes
        self.uplink, self.vnics = Device(options.uplink, guest=False), [Vnic(text) for text in options.vnic]
        self.address = self.uplink.address
        for vnic in self.vnics:
            vnic.vif = self.state["vifs"].get(vnic.uuid.hex())
        self.lists, self.sessions, self.unknown = {}, 0, set()  # list: (members, the session it was set in)
        self.session, self.grace, self.grace_at, self.said = None, options.grace, INFINITY, None
        self.drops, self.profiles = collections.Counter(), {}
        self.look_at, self.count_at = 0, 0
        self.begin_to_open(time.monotonic())

    def save(self):
        self.state["vifs"] = {vnic.uuid.hex(): vnic.vif for vnic in self.vnics if vnic.vif}
        if self.state_file:
            with open(self.state_file + ".new", "w") as file:
                json.dump(self.state, file)
            os.replace(self.state_file + ".new", self.state_file)

    # -- vic 3: opening

    def begin_to_open(self, at):
        """One attempt: one nonce, the same octets until the VIS says something."""
        self.nonce, self.opens, self.open_at, self.mtu = secrets.randbelow(2**64 - 1) + 1, 0, at, self.uplink.mtu()
        opening = message(OPEN, REQUEST, 0, identity=self.identity, name=socket.gethostname()[:64], term=self.state["term"],
                          mtu=self.mtu, hold=HOLD_MS, max_vifs=MAX_VIFS, max_lists=MAX_LISTS, capabilities=0, software="tiny_iv")
        self.opening = envelope(ecp_header(BRIDGE, self.address, 0, UNACKNOWLEDGED, 1), (self.nonce, 0), 0, opening, self.key)

    def answer_to_open(self, frame, now):
        messages = parse_messages(frame.messages) or ()
        if len(messages) != 1 or messages[0].kind != OPEN or frame.receiver != self.nonce or frame.sequence != 0:
            return
        try:
            if messages[0].role == NO:
                fields = read_fields(messages[0].fields, WHY)
                proven = bool(frame.keyed) == bool(self.key)
                if code_name(fields) != self.said:
                    self.said = code_name(fields)
                    event("refused", self.said, fields.get("sentence", ""))
                if proven:
                    self.begin_to_open(now + 1)
                return
            fields = read_fields(messages[0].fields, OPEN_YES)
        except Refusal:
            return
        if messages[0].role != YES or frame.sender == 0 or bool(frame.keyed) != bool(self.key):
            return
        mtu = min(fields["mtu"], self.mtu)
        session = Session(self, (self.nonce, frame.sender), frame.source, fields["hold"], mtu, now)
        reason = "stale_term" if fields["term"] < self.state["term"] else "mtu" if mtu < SMALLEST_MTU else None
        if reason:
            event("refusing", fields["name"], reason)
            session.close(reason, f"term {self.state['term']}, link MTU {mtu}")
            return self.begin_to_open(now + 1)
        self.session, self.grace_at, self.said = session, INFINITY, None
        self.state["term"] = fields["term"]
        event("up", fields["name"])
        self.begin_session()

    def begin_session(self):  # vic 6, 1
        self.sessions += 1
        self.unknown.clear()
        for vnic in sorted(self.vnics, key=lambda vnic: vnic.vif is None):
            if vnic.state != "detaching":
                self.create(vnic)
        self.session.request(DELETE, code=CODES.index("superseded"))

    def closed(self, close, now):
        event("closed", code_name({"code": int.from_bytes(dict(close.fields).get(0x800B, b""), "big")}))
        self.lost(now, now + 1)

    def lost(self, now, open_at):  # vic 6, 8
        event("lost")
        self.session, self.grace_at = None, now + self.grace
        for vnic in self.vnics:
            vnic.state, vnic.void, vnic.retry_at = "detaching" if vnic.state == "detaching" else "waiting", set(), INFINITY
        self.begin_to_open(open_at)

    # -- vic 6, 2: creating

    def create(self, vnic):
        vnic.state, vnic.void, vnic.retry_at = "creating", set(), INFINITY
        self.session.request(CREATE, lambda yes, fields: self.created(vnic, yes, fields), uuid=vnic.uuid, mac=vnic.mac,
                             name=vnic.name, profile=vnic.profile, mtu=vnic.device.mtu(), vif=vnic.vif)

    def created(self, vnic, yes, raw):
        try:
            fields = read_fields(raw, CREATE_YES if yes else WHY)
        except Refusal:
            yes, fields = False, {}
        vif, gone = fields.get("vif"), vnic.state == "detaching"
        if not yes or vif in vnic.void:
            vnic.lose_id()
            vnic.state, vnic.retry_at = "down", time.monotonic() + 5 if not yes else INFINITY
            event("vif", vnic.name, "refused" if not yes else f"{vif} void", "" if yes else code_name(fields))
        else:
            for other in self.vnics:
                if other is not vnic and other.vif == vif:
                    other.lose_id()
            vnic.state, vnic.enabled, vnic.vif = "created", vnic.enabled and vnic.vif == vif, vif
            event("vif", vnic.name, vif, "enabled" if vnic.enabled else "created")
        if gone:
            self.detach(vnic)
        self.in_force()

    def detach(self, vnic):  # vic 6, 7
        creating, vnic.state, vnic.enabled, vnic.retry_at = vnic.state == "creating", "detaching", False, INFINITY
        if vnic.vif and self.session and not creating:
            self.session.request(DELETE, lambda yes, fields: vnic.lose_id(), vif=vnic.vif, code=CODES.index("detached"))

    # -- vic 6, 3 to 6: what the VIS asks for. What this returns from is in force: the data path is this thread (vic 6, 9).

    def execute(self, kind, raw):
        if kind not in REQUESTS_OF_THE_VIS:
            raise Refusal("unsupported", f"an IV is not asked for kind {kind}")
        fields = read_fields(raw, REQUESTS_OF_THE_VIS[kind])
        vif, number = fields.get("vif"), fields.get("list")
        vnic = next((vnic for vnic in self.vnics if vif and vnic.vif == vif), None)
        if kind in (ENABLE, DISABLE, STATUS):
            if vnic is None or vnic.state != "created":
                raise Refusal("unknown_vif", f"no vNIC has VIF {vif} in this session")
            if kind == STATUS:
                vnic.up = bool(fields["up"])
                event("vif", vnic.name, vif, "status", "up" if vnic.up else "down", code_name(fields) if "code" in fields else "")
            else:
                vnic.enabled = kind == ENABLE
                event("vif", vnic.name, vif, "enabled" if vnic.enabled else f"disabled {code_name(fields)}")
        elif kind == DELETE:
            self.lists = {list_id: (members - {vif}, set_in) for list_id, (members, set_in) in self.lists.items()}
            for each in self.vnics:
                if each.uuid == fields["uuid"]:
                    each.void.add(vif)
                    if each.vif == vif:
                        each.lose_id()
                        each.state = "down" if each.state == "created" else each.state
                        event("vif", each.name, vif, "deleted", code_name(fields))
        elif kind == LIST_SET:
            self.set_list(number, frozenset(n for n in range(1, 4096) if fields["members"][n // 8] >> 7 - n % 8 & 1))
        elif kind == LIST_DELETE:
            doomed = [each for each, (_, set_in) in self.lists.items() if each == number or (not number and set_in != self.sessions)]
            for each in doomed:
                del self.lists[each]
                event("list", each, "deleted")
        elif kind == CATALOGUE:
            for entry in fields.get("profile_entry", []):
                self.profiles[entry[1:1 + entry[0]].decode(errors="replace")] = fields["generation"]
            if fields["part"][:2] == (int.from_bytes(fields["part"][2:], "big") - 1).to_bytes(2, "big"):
                event("catalogue", *(name for name, seen in self.profiles.items() if seen == fields["generation"]))
        self.in_force()

    def set_list(self, number, members):
        known, set_in = self.lists.get(number, (None, None))
        if known is None and len(self.lists) >= MAX_LISTS:
            raise Refusal("no_list_free", f"{MAX_LISTS} lists are held")
        if known not in (None, members) and set_in == self.sessions:
            raise Refusal("list_exists", f"list {number} has other members")
        self.lists[number] = (members, self.sessions)
        self.unknown.discard(number)
        event("list", number, ",".join(map(str, sorted(members))), "confirmed")

    def in_force(self):
        """Carriers and the state file follow what was decided."""
        running = self.uplink.running()
        for vnic in self.vnics:
            try:
                vnic.device.set_up(vnic.enabled and vnic.up and running)
            except OSError:
                pass  # the device is gone: `look` sees to it
        self.save()

    # -- frames: vic 14

    def drop(self, reason, vnic=None):
        self.drops[reason] += 1
        if vnic:
            vnic.counters[5] += 1

    def up(self, vnic, frame):  # vic 14
        vnic.counters[2] += 1
        vnic.counters[3] += len(frame)
        reason = "runt" if len(frame) < 14 else "vif_disabled" if not vnic.enabled else tag_inside(frame)
        if reason:
            return self.drop("guest_tag" if reason == "tag" else reason, vnic)
        if not self.uplink.send(frame[:12] + VNTAG + struct.pack(">I", vnic.vif) + frame[12:]):
            self.drop("uplink_full", vnic)

    def down(self, frame, now):  # vic 14
        if frame[12:14] == ECP:
            return self.control(frame, now)
        if frame[12:14] != VNTAG:
            return self.drop("lldp" if frame[12:14] == LLDP else "untagged")
        if len(frame) <= 20:
            return self.drop("runt")
        word, inner = int.from_bytes(frame[14:18], "big"), frame[:12] + frame[18:]
        target, looped, svif = word >> 16 & 0x3FFF, word >> 15 & 1, word & 0xFFF
        reason = "bad_version" if word >> 12 & 3 else "wrong_direction" if not word >> 31 else tag_inside(inner)
        if reason:
            return self.drop("nested_tag" if reason == "tag" else reason)
        enabled = {vnic.vif: vnic for vnic in self.vnics if vnic.enabled}
        if not word >> 30 & 1:
            if target not in enabled or (looped and svif == target):
                return self.drop("self_delivery" if target in enabled else "unknown_vif")
            return self.deliver(enabled[target], inner, 0)
        if target not in self.lists:
            self.drop("unknown_list")
            return self.ask_for_list(target)
        members = [enabled[vif] for vif in self.lists[target][0] if vif in enabled and not (looped and vif == svif)]
        for vnic in members:
            self.deliver(vnic, inner, 1)
        if not members:
            self.drop("no_member")

    def deliver(self, vnic, frame, copies):
        if not vnic.device.send(frame):
            return self.drop("vnic_full", vnic)
        for index, amount in ((0, 1), (1, len(frame)), (4, copies)):
            vnic.counters[index] += amount

    def ask_for_list(self, number):  # vic 6, 6; once until it is answered
        if number and self.session and number not in self.unknown:
            self.unknown.add(number)
            self.session.request(LIST_UNKNOWN, lambda yes, fields: self.unknown.discard(number), list=number)
            event("list", number, "unknown")

    # -- vic 1: what the uplink brings

    def control(self, octets, now):
        last = octets[:5] == BRIDGE[:5] and octets[5]
        if len(octets) < 18 or octets[14] >> 4 != 1 or (octets[:6] != self.address and last not in (0, 3, 0x0E)):
            return
        first, ecp = struct.unpack(">HH", octets[14:18])
        operation, subtype = first >> 10 & 3, first & 0x3FF
        if operation == 1:
            if self.session and subtype == ACKNOWLEDGED and octets[:6] == self.address and not any(octets[18:]):
                self.session.acknowledged(ecp)
            return
        frame = open_envelope(octets, self.key) if operation == 0 and subtype in (ACKNOWLEDGED, UNACKNOWLEDGED) else None
        if frame is None:
            return
        if self.session is None:
            self.answer_to_open(frame, now)
        elif (frame.receiver, frame.sender) == self.session.nonces and bool(frame.keyed) == bool(self.key):
            self.session.receive(frame, len(octets) - 14, now)

    # -- time

    def tick(self, now):
        """Does what is due; gives the time of the next call."""
        if now >= self.look_at:
            self.look_at = now + 0.15
            self.look()
        if now >= self.grace_at:
            self.grace_at = INFINITY
            event("grace over")
            for vnic in self.vnics:
                vnic.enabled = False
            self.in_force()
        if self.session is None:
            if now >= self.open_at:
                self.uplink.send(self.opening)
                self.opens += 1
                self.open_at = now + (0.1 if self.opens < 20 else 0.5)
            return min(self.open_at, self.look_at, self.grace_at)
        for vnic in self.vnics:
            if now >= vnic.retry_at:
                self.create(vnic)
        if now >= self.count_at:
            self.count_at = now + 5
            for vnic in self.vnics:
                if vnic.state == "created" and vnic.reported != vnic.counters:
                    vnic.reported = vnic.counters[:]
                    self.session.request(COUNTERS, vif=vnic.vif, counters=struct.pack(">6Q", *vnic.counters))
        due = self.session.tick(now)
        if due is None:
            self.lost(now, now)
            return now
        return min(due, self.look_at)

    def look(self):
        """Links that come and go, and devices that went (vic 6, 7 and 8)."""
        self.in_force()
        for vnic in self.vnics:
            try:
                vnic.device.flags()
            except OSError:
                if vnic.state != "detaching":
                    event("vif", vnic.name, vnic.vif or 0, "detached")
                    self.detach(vnic)

    def report(self):
        for vnic in self.vnics:
            event("counters", vnic.name, vnic.vif or 0, *vnic.counters)
        event("drops", *(f"{reason}={count}" for reason, count in sorted(self.drops.items())))

    def run(self):
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
        signal.signal(signal.SIGINT, lambda *_: stop.append(1))
        signal.signal(signal.SIGUSR1, lambda *_: self.report())
        poll, owners = select.poll(), {}
        for owner in [self] + self.vnics:
            sock = (self.uplink if owner is self else owner.device).socket
            owners[sock.fileno()] = owner
            poll.register(sock, select.POLLIN)
        while not stop:
            wait = self.tick(time.monotonic()) - time.monotonic()
            for number, _ in poll.poll(min(max(wait, 0) * 1000 + 1, 150)):
                owner = owners[number]
                device = self.uplink if owner is self else owner.device
                for _ in range(64):
                    frame = device.receive()
                    if frame is None:
                        break
                    if frame and owner is self:
                        self.down(frame, time.monotonic())
                    elif frame:
                        self.up(owner, frame)
        if self.session:
            self.session.close("going_away", "the virtualizer ends")
        self.save()
        self.report()


def main():
    parser = argparse.ArgumentParser(description="A tiny interface virtualizer.")
    parser.add_argument("--self-test", action="store_true", help="check the frames of docs/vic.md section 11")
    parser.add_argument("--uplink", metavar="DEV")
    parser.add_argument("--key-file", metavar="FILE", help="16 to 64 octets, or 64 to 128 hexadecimal digits")
    parser.add_argument("--state", metavar="FILE", help="ids and the term are kept here")
    parser.add_argument("--grace", metavar="SECONDS", type=float, default=30, help="how long frames pass without a session (vic 9)")
    parser.add_argument("--identity", metavar="UUID", type=uuid.UUID, help="in place of the machine id")
    parser.add_argument("--vnic", metavar="NAME:PROFILE:UUID:DEV[/MAC]", action="append", default=[])
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if not options.uplink:
        parser.error("--uplink is needed")
    Virtualizer(options).run()


if __name__ == "__main__":
    main()
