#include "tests/endurance/pack_directory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "format/pack_index.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

fs::path temporary_directory() {
  const fs::path memory = "/dev/shm";
  return ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
}

bool is_index(const fs::path& path) {
  return format::parse_index_name(path.filename().string()).has_value();
}

}  // namespace

Fingerprint numbered(std::uint32_t number) {
  Fingerprint fingerprint;
  for (std::size_t i = 0; i < 32; ++i) {
    fingerprint.bytes[i] = static_cast<std::uint8_t>(number >> (8 * (i % 4)));
  }
  return fingerprint;
}

std::string payload_of(std::size_t size, std::uint32_t seed) {
  std::string payload(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    payload[i] = static_cast<char>(seed + i * 7 + (i >> 8) * 13 + (seed >> 8) * (i + 1));
  }
  return payload;
}

std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void flip_bit(const fs::path& path, std::uint64_t bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto at = static_cast<std::streamoff>(bit / 8);
  file.seekg(at);
  const int was = file.get();
  file.seekp(at);
  file.put(static_cast<char>(was ^ 1 << bit % 8));
}

std::uint64_t rounds(std::uint64_t usual) {
  const char* const times = std::getenv("LARDER_TORTURE");
  return times == nullptr ? usual : usual * std::max(1ull, std::strtoull(times, nullptr, 10));
}

std::string text_of(Store& store, const Fingerprint& fingerprint) {
  const auto found = store.get(fingerprint);
  if (!found) return "error: " + std::string(errc_name(found.error().code));
  return *found ? std::string((*found)->text()) : "absent";
}

std::vector<PlacedRecord> records_of(const fs::path& segment) {
  const std::string text = read_bytes(segment);
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  std::vector<PlacedRecord> records;
  const auto header = format::decode_segment_header(bytes);
  if (!header) return records;
  const auto key = format::segment_key(header->identity);
  for (std::uint64_t at = format::records_at; at < bytes.size();) {
    PlacedRecord placed{.offset = at, .record = {}};
    const auto place = static_cast<std::uint32_t>(at / format::pack_unit_bytes);
    const auto verdict = format::decode_record(bytes.subspan(at), key, place, placed.record);
    const bool is_good = verdict == format::RecordVerdict::good;
    if (is_good) records.push_back(placed);
    at += is_good ? placed.record.total_bytes() : format::pack_unit_bytes;
  }
  return records;
}

PackDirectory::PackDirectory() {
  std::string pattern = (temporary_directory() / "larder-pack-").string() + std::string(6, 'X');
  parent_ = ::mkdtemp(pattern.data());
  root_ = parent_ / "store";
  options = {.directory = root_.string(), .budget = {.max_bytes = 64ull << 20}};
}

PackDirectory::~PackDirectory() {
  std::error_code ignored;
  fs::remove_all(parent_, ignored);
}

std::shared_ptr<PackStore> PackDirectory::open() const {
  auto opened = open_pack_store(options);
  if (opened) return *std::move(opened);
  ADD_FAILURE() << "cannot be opened: " << opened.error().message;
  return nullptr;
}

fs::path PackDirectory::segment(std::uint32_t number) const {
  return root_ / "segments" / format::segment_name(number);
}

std::vector<fs::path> PackDirectory::segments() const {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(root_ / "segments")) {
    found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

fs::path PackDirectory::index() const {
  for (const auto& entry : fs::directory_iterator(root_)) {
    if (is_index(entry.path())) return entry.path();
  }
  return {};
}

void PackDirectory::forget_state() const { fs::remove(root_ / "state"); }

void PackDirectory::forget_index() const {
  for (fs::path found = index(); !found.empty(); found = index()) fs::remove(found);
}

PackDirectory::Snapshot PackDirectory::snapshot() const {
  Snapshot files;
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    if (!entry.is_regular_file()) continue;
    files[fs::relative(entry.path(), root_).string()] = read_bytes(entry.path());
  }
  return files;
}

void PackDirectory::restore(const Snapshot& snapshot) const {
  std::vector<fs::path> extra;
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    const std::string name = fs::relative(entry.path(), root_).string();
    if (entry.is_regular_file() && !snapshot.contains(name)) extra.push_back(entry.path());
  }
  for (const fs::path& path : extra) fs::remove(path);
  const bool has_large = std::ranges::any_of(
      snapshot, [](const auto& file) { return file.first.starts_with("large/"); });
  if (!has_large) fs::remove_all(root_ / "large");
  for (const auto& [name, bytes] : snapshot) {
    const fs::path path = root_ / name;
    if (read_bytes(path) != bytes) write_bytes(path, bytes);
  }
}

}  // namespace larder
