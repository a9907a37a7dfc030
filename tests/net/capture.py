# SPDX-License-Identifier: GPL-2.0-or-later
"""What passes over a line: all IP packets, and the TCP streams in them."""

import ipaddress
import socket
import struct
import threading

ALL_PROTOCOLS = 3  # ETH_P_ALL
LEVEL_PACKET, STATISTICS = 263, 6  # SOL_PACKET, PACKET_STATISTICS
TCP = 6


class Capture:
    """Listens on an interface of the runner's own namespace until stop()."""

    def __init__(self, interface):
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL_PROTOCOLS))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self._socket.bind((interface, ALL_PROTOCOLS))
        self._socket.settimeout(0.1)
        self._packets = []
        self._ends = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while True:
            try:
                self._packets.append(self._socket.recv(1 << 17))
            except socket.timeout:
                if self._ends:
                    return
            except OSError:  # the interface is gone
                return

    def stop(self):
        """Ends it; asserts that nothing escaped it."""
        self._ends = True
        self._thread.join()
        statistics = self._socket.getsockopt(LEVEL_PACKET, STATISTICS, 8)
        self._socket.close()
        assert struct.unpack("II", statistics)[1] == 0, "the capture has gaps"
        assert self._packets, "nothing was captured"

    def pairs(self):
        """Who sent to whom: a set of (source, destination)."""
        return {ends(packet)[:2] for packet in self._packets}

    def streams(self):
        """The bytes of each direction of each TCP connection, by (source, its port, destination, its port)."""
        pieces = {}
        for packet in self._packets:
            source, destination, protocol, rest = ends(packet)
            if protocol != TCP or len(rest) < 20:
                continue
            source_port, destination_port, number = struct.unpack("!HHI", rest[:8])
            data = rest[(rest[12] >> 4) * 4:]
            if data:
                pieces.setdefault((source, source_port, destination, destination_port), []).append((number, data))
        return {stream: joined(each) for stream, each in pieces.items()}


def ends(packet):
    """Source, destination, protocol, and what the packet carries."""
    if packet[0] >> 4 == 4:
        length = struct.unpack("!H", packet[2:4])[0]
        return (str(ipaddress.IPv4Address(packet[12:16])), str(ipaddress.IPv4Address(packet[16:20])), packet[9],
                packet[(packet[0] & 15) * 4:length])
    return (str(ipaddress.IPv6Address(packet[8:24])), str(ipaddress.IPv6Address(packet[24:40])), packet[6], packet[40:])


def joined(pieces):
    """The bytes of a stream, in their order, none twice."""
    base = pieces[0][0]
    distance = lambda number: (number - base + (1 << 31)) % (1 << 32)
    stream, end = b"", None
    for number, data in sorted(pieces, key=lambda piece: distance(piece[0])):
        at = distance(number)
        end = at if end is None else end
        if at + len(data) > end:
            stream += data[max(0, end - at):]
            end = at + len(data)
    return stream
