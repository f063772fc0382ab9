#include "store/remote/tier_file.h"

#include <chrono>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/try.h"
#include "format/entry_name.h"

namespace larder {
namespace {

using format::TierState;

// Behind the end of every block, as the locks of stores are.
constexpr std::uint64_t lock_at = 1ull << 32;

Result<TierState> read_state(File& file) {
  std::vector<std::byte> bytes(format::largest_tier_state_bytes);
  LARDER_TRY(const std::size_t length, file.read_at(bytes, 0));
  return format::decode_tier_state(std::span(bytes).first(length)).value_or(TierState{});
}

// The others hold it for two system calls.
bool lock_soon(File& file) {
  for (int tries = 0; tries < 20; ++tries) {
    const auto locked = file.try_lock(LockMode::exclusive, lock_at, 1);
    if (!locked) return false;
    if (*locked) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace

TierState TierFile::read() const noexcept {
  const auto state = guarded([&]() -> Result<TierState> {
    if (directory_.empty()) return TierState{};
    LARDER_TRY(const auto directory, file_system_.open_directory(directory_));
    LARDER_TRY(const auto file, directory->open_file(name_, OpenMode::read));
    LARDER_TRY(const FileInfo info, file->info());
    if (info.kind != FileKind::regular) return TierState{};
    return read_state(*file);
  });
  return state.value_or(TierState{});
}

// Closing lets the lock go.
Result<void> TierFile::update(const Change& change) const {
  if (directory_.empty()) return {};
  LARDER_TRY(const auto directory, file_system_.open_directory(directory_));
  LARDER_TRY(const FileInfo marker, directory->info_at(format::marker_name));
  if (marker.kind != FileKind::regular) return {};
  LARDER_TRY(const auto file, directory->open_or_create_file(name_));
  LARDER_TRY(const FileInfo info, file->info());
  if (info.kind != FileKind::regular || !lock_soon(*file)) return {};
  LARDER_TRY(TierState state, read_state(*file));
  change(state);
  const format::TierStateBlock block = format::encode_tier_state(state);
  const std::span<const std::byte> piece(block);
  return file->write_at(std::span(&piece, 1), 0);
}

void TierFile::set_open_until(std::uint64_t time_s) const noexcept {
  (void)guarded([&] { return update([&](TierState& state) { state.open_until_s = time_s; }); });
}

void TierFile::reset_counters() const noexcept {
  (void)guarded([&] { return update([](TierState& state) { state.counters = {}; }); });
}

void TierFile::add(const RemoteMetrics& delta) const noexcept {
  if (delta == RemoteMetrics{}) return;
  (void)guarded([&] { return update([&](TierState& state) { state.counters += delta; }); });
}

}  // namespace larder
