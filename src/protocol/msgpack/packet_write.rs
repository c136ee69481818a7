//! Writes the map of a packet.

use super::super::Args;
use super::super::encode::PacketType;

pub(crate) fn write_event(_: &str, _: &str, _: &Args, _: Option<u64>, _: &mut Vec<u8>) {}

pub(crate) fn write_ack(_: &str, _: u64, _: &Args, _: &mut Vec<u8>) {}

pub(crate) fn write_bare(_: PacketType, _: &str, _: Option<&Args>, _: &mut Vec<u8>) {}
