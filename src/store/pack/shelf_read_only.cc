// A store that is opened read-only: the shared index where somebody keeps it, else one of its own.
#include <cerrno>

#include "base/try.h"
#include "format/pack_name.h"
#include "store/pack/rebuild.h"
#include "store/pack/shelf.h"

namespace larder::pack_store {
namespace {

// What is no fault of the index.
bool is_passing(const Error& error) noexcept {
  return error.os_error == EMFILE || error.os_error == ENFILE || error.os_error == ENOMEM;
}

// Whether the index that could not be opened may be a good one for others.
bool tells_nothing(const Error& error) noexcept {
  return error.code != Errc::absent && error.code != Errc::corrupt;
}

}  // namespace

// Writes nothing: where the shared index is not to be had, or may be stale and nobody is here to
// keep it, this process makes one in its own memory.
Result<void> Shelf::enter_read_only() {
  if (!segments_directory_) {
    has_own_index_ = true;
    return index_->start_private(0);
  }
  LARDER_TRY(const bool is_shared, share_index());
  if (is_shared) return {};
  has_own_index_ = true;
  LARDER_CHECK_OK(rebuild_index(IndexPlace::in_private_memory));
  return {};
}

// Whoever comes to write makes a new index, as he finds no better one than this process did; and a
// `state`, where this process found none that is to be believed. But where this process could not
// read it, others may have gone on with it, and every put and removal of theirs takes a sequence.
bool Shelf::may_share_index() {
  if (!segments_directory_) return root().info_at(format::segments_name).has_value();
  if (state_->file() != nullptr) {
    return state_->generation() != own_since_generation_ ||
           (own_since_sequence_ &&
            state_->word(format::StateWord::sequence).load() != own_since_sequence_);
  }
  const auto now = root().info_at(format::state_name);
  return now && !(refused_state_ && now->same_file(*refused_state_));
}

// Holds presence only when the index is what the segments say: others take it for that. Theirs is
// not passed over because this process lacks descriptors or memory.
Result<bool> Shelf::share_index() {
  if (state_->file() == nullptr) {
    if (const auto info = root().info_at(format::state_name)) refused_state_ = *info;
    return false;
  }
  own_since_generation_ = state_->generation();
  const std::uint64_t sequence = state_->word(format::StateWord::sequence).load();
  LARDER_TRY(const std::string type, root().file_system_type());
  // A mapping of a lower layer stays behind when the file is copied up.
  if (type == "overlay") return false;
  LARDER_TRY(const bool at_door, pass_door(LockMode::shared));
  own_since_generation_ = state_->generation();
  if (!at_door) return false;
  LARDER_TRY(const bool others, state_->file()->is_locked(presence_at, 1));
  Result<void> opened = std::unexpected(Error{.code = Errc::absent, .message = {}});
  if (others || state_->is_clean()) opened = index_->open_current();
  if (!opened && is_passing(opened.error())) return std::unexpected(opened.error());
  if (!opened && tells_nothing(opened.error())) own_since_sequence_ = sequence;
  bool is_shared = opened.has_value();
  if (is_shared) {
    LARDER_TRY(is_shared, state_->file()->try_lock(LockMode::shared, presence_at, 1));
  }
  LARDER_CHECK_OK(state_->file()->unlock(door_at, 1));
  return is_shared;
}

}  // namespace larder::pack_store
