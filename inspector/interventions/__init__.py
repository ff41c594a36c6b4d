"""Interventions: rules that delay, drop, edit or inject frames between two real peers. Opens no socket."""
