// What is done behind the store's back: to its files, and by others.
#include <cstdint>
#include <filesystem>
#include <string>

#include "format/pack_record.h"
#include "tests/endurance/fault_world.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

void FaultWorld::damage(int entry) {
  Entry& model = entries_[entry];
  const std::string payload = *model.may_hold.begin();
  note_damage(model, damage_payload(kind_, options.directory, key(entry), payload));
}

void FaultWorld::damage_name(int entry) {
  constexpr std::uint64_t of_name = format::record_header_bytes - 64;
  Entry& model = entries_[entry];
  note_damage(model, damage_before_payload(options.directory, *model.may_hold.begin(), of_name));
}

void FaultWorld::note_damage(Entry& model, bool was_found) {
  expect(was_found, "no payload to damage");
  model.damaged = true;
  model.durable.clear();
  model.standing.clear();
  model.unflushed.clear();
}

void FaultWorld::leave_temporary() { leave_temporary_in(options.directory); }

void FaultWorld::lose_index() { lose_index_of(options.directory); }

void FaultWorld::empty_index() {
  empty_index_of(options.directory);
  are_hidden_ = true;
}

void FaultWorld::distrust(int segment) { distrust_in(options.directory, segment); }

void FaultWorld::lose(int entry, std::string_view payload) {
  note_damage(entries_[entry], lose_payload_of(options.directory, payload));
}

void FaultWorld::fill(int entries, std::string_view payload) {
  fill_store(*store_, entries, payload);
}

void FaultWorld::fill_by_another(int entries) { fill_store(another(), entries, {}); }

// Its entries have to be there, and need not be durable.
void FaultWorld::put_by_another(int entry, std::string_view payload) {
  expect(another().put(key(entry), bytes_of(payload)).has_value(), "another's put failed");
  const std::string text = brief(payload);
  ever_[entry].insert(text);
  entries_[entry] = {.may_hold = {text}, .standing = {text}};
}

void FaultWorld::put_by_stranger(int entry, std::string_view payload) {
  const auto stranger = open_soundly(options.directory, keys_of_stranger());
  if (!stranger) return;
  expect(stranger->put(key(entry), bytes_of(payload)).has_value(), "a stranger's put failed");
  expect(stranger->flush().has_value(), "a stranger's flush failed");
  expect(stranger->get(key(entry)).has_value(), "a stranger's get failed");
  strangers_[entry] = {.payload = brief(payload)};
}

Store& FaultWorld::another() {
  if (!another_) another_ = open_soundly(options.directory, options.keys);
  return *another_;
}

void FaultWorld::fill_store(Store& store, int entries, std::string_view payload) {
  for (int i = 0; i < entries; ++i) {
    Fingerprint filler = key(0);
    filler.bytes[1] = static_cast<std::uint8_t>(i & 0xff);
    filler.bytes[2] = static_cast<std::uint8_t>(1 + (i >> 8));
    expect(store.put(filler, bytes_of(payload)).has_value(), "filling failed");
  }
}

void FaultWorld::close_as_killed() {
  const fs::path aside = directory_ / "aside";
  copy_store(options.directory, aside);
  store_.reset();
  fs::remove_all(options.directory);
  fs::rename(aside, options.directory);
}

}  // namespace larder
