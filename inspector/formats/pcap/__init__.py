"""Captures of packets: pcap and pcapng."""
