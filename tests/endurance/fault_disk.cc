#include "tests/endurance/fault_disk.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "base/byte_order.h"
#include "format/entry_name.h"
#include "format/pack_index.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

PackStoreOptions pack_options(const FileStoreOptions& options) {
  return {.directory = options.directory,
          .keys = options.keys,
          .access = options.access,
          .create = options.create,
          .budget = options.budget,
          .max_payload_bytes = options.max_payload_bytes,
          .on_evict = options.on_evict,
          .log = options.log,
          .file_system = options.file_system};
}

// The files that may hold the payload, the newest first.
std::vector<fs::path> places_of(StoreKind kind, const fs::path& store, const Fingerprint& key) {
  if (kind == StoreKind::larder) return {store / format::entry_path(FileLayout::larder, key)};
  if (kind == StoreKind::vyre) return {store / format::entry_path(FileLayout::vyre, key)};
  std::vector<fs::path> segments;
  for (const auto& entry : fs::directory_iterator(store / "segments")) {
    segments.push_back(entry.path());
  }
  std::ranges::sort(segments, std::greater());
  return segments;
}

bool damage_before(const std::vector<fs::path>& places, std::string_view payload,
                   std::size_t bytes_before) {
  for (const fs::path& path : places) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    std::size_t at = text.rfind(payload);
    if (at == std::string::npos) continue;
    at -= bytes_before;
    file.clear();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(text[at] ^ 1));
    return true;
  }
  return false;
}

}  // namespace

std::string_view kind_name(StoreKind kind) noexcept {
  switch (kind) {
    case StoreKind::larder: return "Larder";
    case StoreKind::vyre: return "Vyre";
    case StoreKind::pack: return "Pack";
  }
  return {};
}

std::function<Result<std::shared_ptr<Store>>()> opener_of(StoreKind kind,
                                                          const FileStoreOptions& options) {
  if (kind == StoreKind::pack) {
    return [prepared = pack_options(options)]() -> Result<std::shared_ptr<Store>> {
      return open_pack_store(prepared);
    };
  }
  FileStoreOptions of_layout = options;
  of_layout.layout = kind == StoreKind::larder ? FileLayout::larder : FileLayout::vyre;
  return [of_layout] { return open_file_store(of_layout); };
}

fs::path temporary_directory() {
  const fs::path memory = "/dev/shm";
  return ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
}

bool damage_payload(StoreKind kind, const fs::path& store, const Fingerprint& key,
                    std::string_view payload) {
  return damage_before(places_of(kind, store, key), payload, 0);
}

bool damage_before_payload(const fs::path& store, std::string_view payload,
                           std::uint64_t bytes_before) {
  return damage_before(places_of(StoreKind::pack, store, {}), payload, bytes_before);
}

void leave_temporary_in(const fs::path& store) {
  std::ofstream(store / format::temporary_name(std::string(32, 'a'))) << "x";
}

bool has_temporary(const fs::path& store) {
  return std::ranges::any_of(fs::recursive_directory_iterator(store), [](const auto& entry) {
    return format::is_temporary_name(entry.path().filename().string());
  });
}

void copy_store(const fs::path& from, const fs::path& to) {
  fs::copy(from, to, fs::copy_options::recursive);
}

void lose_index_of(const fs::path& store) {
  for (const auto& entry : fs::directory_iterator(store)) {
    if (entry.path().filename().string().starts_with("index.")) fs::remove(entry.path());
  }
}

void empty_index_of(const fs::path& store) {
  for (const auto& entry : fs::directory_iterator(store)) {
    if (!entry.path().filename().string().starts_with("index.")) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(format::index_header_bytes);
    file << std::string(entry.file_size() - format::index_header_bytes, '\0');
  }
}

void distrust_in(const fs::path& store, int segment) {
  std::string mark(8, '\0');
  store_little(std::as_writable_bytes(std::span(mark)).data(),
               format::SyncMark{.segment = static_cast<std::uint32_t>(segment)}.word());
  std::fstream state(store / "state", std::ios::in | std::ios::out | std::ios::binary);
  state.seekp(format::state_marks_at);
  state << mark;
}

bool lose_payload_of(const fs::path& store, std::string_view payload) {
  std::vector<fs::path> lost;
  for (const char* const folder : {"segments", "large"}) {
    if (!fs::exists(store / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(store / folder)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      if (text.contains(payload)) lost.push_back(entry.path());
    }
  }
  for (const fs::path& path : lost) fs::remove(path);
  return !lost.empty();
}

}  // namespace larder
