#include "tests/fuzz/model.h"

#include "tests/fuzz/fuzz.h"

namespace larder::fuzz {

// Some share a folder of a file store.
Fingerprint Model::key(std::size_t number) {
  Fingerprint fingerprint;
  fingerprint.bytes[0] = static_cast<std::uint8_t>(number % 3);
  fingerprint.bytes[31] = static_cast<std::uint8_t>(number);
  return fingerprint;
}

std::optional<std::size_t> Model::number_of(const Fingerprint& fingerprint) {
  const std::size_t number = fingerprint.bytes[31];
  if (number >= key_count || key(number) != fingerprint) return std::nullopt;
  return number;
}

void Model::begin_put(std::size_t number) { entries_[number].evicted_in_put = false; }

void Model::put(std::size_t number, std::string payload) {
  Entry& entry = entries_[number];
  const bool may_be_back = keys_ == Keys::two && entry.was_evicted;
  entry.may_hold = may_be_back ? entry.ever : std::set<std::string>();
  entry.may_hold.insert(payload);
  entry.may_be_absent = entry.evicted_in_put;
  entry.may_fail = false;
  entry.ever.insert(std::move(payload));
}

void Model::put_failed(std::size_t number, std::string payload) {
  Entry& entry = entries_[number];
  entry.may_hold.insert(payload);
  entry.ever.insert(std::move(payload));
}

void Model::removed(std::size_t number) {
  entries_[number].may_hold.clear();
  entries_[number].may_be_absent = true;
  entries_[number].may_fail = false;
  entries_[number].was_evicted = false;
}

void Model::removed_in_vain(std::size_t number) {
  Entry& entry = entries_[number];
  if (!ever_spoilt_ || !entry.was_evicted) return removed(number);
  entry.may_hold = entry.ever;
  entry.may_be_absent = true;
}

// With the removal, a put may be lost that was not synced yet.
void Model::remove_failed(std::size_t number) {
  entries_[number].may_hold = entries_[number].ever;
  entries_[number].may_be_absent = true;
}

void Model::evicted(const Fingerprint& fingerprint) {
  const auto number = number_of(fingerprint);
  require(number.has_value());
  entries_[*number].may_be_absent = true;
  entries_[*number].evicted_in_put = true;
  entries_[*number].was_evicted = true;
}

void Model::cleared() {
  for (std::size_t number = 0; number < key_count; ++number) removed(number);
}

void Model::spoilt() {
  ever_spoilt_ = true;
  for (Entry& entry : entries_) {
    entry.may_hold = entry.ever;
    entry.may_be_absent = true;
    entry.may_fail = true;
  }
}

void Model::unsettled() {
  for (Entry& entry : entries_) {
    entry.may_hold = entry.ever;
    entry.may_be_absent = true;
    entry.was_evicted = true;
  }
}

void Model::may_be_evicted() {
  for (Entry& entry : entries_) {
    entry.may_be_absent = true;
    entry.was_evicted = true;
  }
}

bool Model::must_be_there(std::size_t number) const { return !entries_[number].may_be_absent; }

bool Model::must_be_absent(std::size_t number) const { return entries_[number].may_hold.empty(); }

void Model::check_found(std::size_t number, std::string_view payload) const {
  require(entries_[number].may_hold.contains(std::string(payload)));
}

void Model::check_absent(std::size_t number) const { require(entries_[number].may_be_absent); }

void Model::check_error(std::size_t number, const Error& error) const {
  require(entries_[number].may_fail);
  require(!error.message.empty());
}

}  // namespace larder::fuzz
