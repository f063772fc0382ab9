#include "tests/endurance/ledger.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace larder {
namespace {

constexpr std::size_t most_complaints = 5;

std::uint64_t mixed(std::uint64_t value) noexcept {
  value ^= value >> 31;
  value *= 0x9e3779b97f4a7c15;
  value ^= value >> 29;
  value *= 0xbf58476d1ce4e5b9;
  return value ^ value >> 32;
}

std::size_t size_of(std::uint64_t random) noexcept {
  const std::uint64_t kind = random % 100;
  const std::uint64_t part = random / 100 % 1000;
  if (kind < 70) return 4 * part;
  if (kind < 90) return 4000 + 36 * part;
  if (kind < 98) return 40'000 + 160 * part;
  return 270'000 + 130 * part;  // beyond a quarter of a small pack's segment: a file of its own
}

std::string head_of(std::uint32_t key, std::uint64_t version) {
  return std::to_string(key) + " " + std::to_string(version) + "\n";
}

}  // namespace

std::string payload_for(std::uint32_t key, std::uint64_t version) {
  std::uint64_t random = mixed(version * 1'000'003 + key + 1);
  const std::size_t size = size_of(random);
  std::string payload = head_of(key, version);
  const std::size_t head = payload.size();
  payload.resize(head + size);
  for (std::size_t at = 0; at < size; at += sizeof random) {
    random = random * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
    std::memcpy(payload.data() + head + at, &random, std::min(sizeof random, size - at));
  }
  return payload;
}

std::optional<std::uint64_t> version_of(std::uint32_t key, std::string_view text) {
  std::string_view head = text.substr(0, text.find('\n'));
  head.remove_prefix(std::min(head.size(), head.find(' ') + 1));
  std::uint64_t version = 0;
  if (std::from_chars(head.data(), head.data() + head.size(), version).ec != std::errc{}) {
    return std::nullopt;
  }
  if (text != payload_for(key, version)) return std::nullopt;
  return version;
}

Fingerprint fingerprint_of(std::uint32_t key) {
  Fingerprint fingerprint;
  for (std::size_t i = 0; i < 32; ++i) {
    fingerprint.bytes[i] = static_cast<std::uint8_t>(key >> (8 * (i % 4)));
  }
  return fingerprint;
}

std::uint32_t key_of(const Fingerprint& fingerprint) {
  std::uint32_t key = 0;
  for (std::size_t i = 0; i < 4; ++i) key |= std::uint32_t{fingerprint.bytes[i]} << (8 * i);
  return key;
}

void Ledger::add(std::span<const Event> life) {
  std::vector<std::pair<std::uint32_t, Value>> unflushed;
  for (const Event& event : life) {
    const std::uint64_t returned = event.returned;
    if (event.deed == Deed::flush) {
      if (returned == 0) continue;
      for (const auto& [key, value] : unflushed) settle(keys_[key], value);
      unflushed.clear();
      continue;
    }
    Key& key = keys_[event.key];
    if (event.deed == Deed::evicted) {
      key.evicted_at = std::max(key.evicted_at, event.begun);
      continue;
    }
    const Value value{.version = event.version,
                      .begun = event.begun,
                      .returned = returned,
                      .is_removal = event.deed == Deed::remove};
    const bool is_over = returned != 0 && key.lasting && returned < key.lasting->begun;
    if (is_over) continue;
    key.values.push_back(value);
    if (returned == 0) continue;
    if (value.is_removal || lasting_ == Lasting::when_returned) {
      settle(key, value);
    } else {
      unflushed.emplace_back(event.key, value);
    }
  }
}

// What had returned before the lasting one began is over.
void Ledger::settle(Key& key, const Value& value) {
  if (key.lasting && key.lasting->begun > value.begun) return;
  key.lasting = value;
  std::erase_if(key.values, [&value](const Value& other) {
    return other.returned != 0 && other.returned < value.begun;
  });
}

bool Ledger::may_be_absent(const Key& key) const {
  return !key.lasting || std::max(key.evicted_at, excused_at_) >= key.lasting->begun ||
         std::ranges::any_of(key.values, &Value::is_removal);
}

std::string Ledger::describe(const Key& key) {
  if (!key.lasting) return "nothing was promised";
  return std::string(key.lasting->is_removal ? "removed" : "put") + " at " +
         std::to_string(key.lasting->begun) + " with version " +
         std::to_string(key.lasting->version) + ", evicted at " + std::to_string(key.evicted_at);
}

std::string Ledger::judge(std::uint32_t number, Key& key, Store& store) {
  const auto found = store.get(fingerprint_of(number));
  const bool is_there = found && *found;
  const std::string name = "key " + std::to_string(number);
  if (key.lasting) ++promises_checked_;
  if (!is_there) {
    const std::string why = found ? "absent" : found.error().message;
    if (!found && found.error().code != Errc::corrupt) return name + ": " + why;
    if (!may_be_absent(key)) return name + " is lost (" + why + "): " + describe(key);
    key = {};
    return {};
  }
  const auto version = version_of(number, (*found)->text());
  if (!version) return name + " holds a wrong byte: " + std::string((*found)->text().substr(0, 30));
  const bool is_allowed = std::ranges::any_of(key.values, [&version](const Value& value) {
    return !value.is_removal && value.version == *version;
  });
  if (is_allowed) return {};
  return name + " holds an old version, " + std::to_string(*version) + ": " + describe(key);
}

std::string Ledger::compare(Store& store) {
  std::string wrong;
  std::size_t complaints = 0;
  for (auto& [number, key] : keys_) {
    const std::string line = judge(number, key, store);
    if (line.empty()) continue;
    key = {};
    if (++complaints <= most_complaints) wrong += line + "\n";
  }
  if (complaints > most_complaints) wrong += std::to_string(complaints) + " in all\n";
  return wrong;
}

}  // namespace larder
