"""The defects of a pack's large artifacts (see mutants.py)."""

from mutant import PACK, make as _

LARGE_MUTANTS = [
    _("pack-swept-uncompared", "no file is swept that a segment leads to", PACK + "large_files.cc",
      "return led_to->contains(key);", "return led_to->empty() && used->contains(key);",
      "unit/pack_hidden"),
    _("pack-large-unsynced", "flush syncs files of their own", PACK + "flush.cc",
      "const auto flushed = shelf.large().flush();\n", "const Result<void> flushed;\n",
      "unit/pack_flush unit/pack_large"),
    _("pack-put-takes-file", "a put that fails takes no file that was there", PACK + "write.cc",
      "if (!done && !had_file)", "(void)had_file;\n  if (!done)", "unit/pack_large_kept"),
    _("pack-dead-takes-file", "a dead record takes no file that is led to", PACK
      + "large_files.cc",
      "absent == Absent::is_gone && was_whole;",
      "(absent == Absent::is_gone || was_whole) && was_whole;", "unit/pack_hidden_meanwhile"),
    _("pack-recipe-hides", "a damaged recipe hides no payload", PACK + "shelf_index.cc",
      "if (code == Errc::corrupt) {", "if (code == Errc::absent) {",
      "unit/pack_large_kept"),
    _("pack-sweeps-held", "no file is swept that somebody is putting", PACK + "large_files.cc",
      "if (lock) held.emplace(key, *std::move(lock));",
      "if (lock) held.emplace(key, *std::move(lock)); else (void)shelf.large()"
      ".remove_of_any_key(key);", "unit/pack_large_sweep"),
    _("pack-unread-passed", "a file stays when what leads to it cannot be read for a while", PACK
      + "evict_leave.cc",
      "shelf.was_made_without_some() || shelf.has_forgotten();",
      "shelf.has_forgotten() && false;",
      "unit/pack_large_kept"),
    _("pack-older-led-to", "a file stays when the index leads to an older value meanwhile", PACK
      + "evict_leave.cc",
      "if (place && *place && !may_be_older_than_unread(**place)) continue;",
      "if (place && *place) continue;", "unit/pack_large_kept"),
    _("pack-unsynced-removal", "a removal that is not on the disk takes no file", PACK
      + "remove.cc",
      "if (synced == Synced::not_all) return {};", "(void)synced;",
      "unit/pack_large_kept"),
    _("pack-sweep-unsecured", "no file is swept before what is in its place is on the disk", PACK
      + "large_files.cc",
      "LARDER_CHECK_OK(sweep.secure_all(std::chrono::steady_clock::now() + longest_hold));",
      "", "unit/pack_large_sweep"),
    _("pack-swept-meanwhile", "no file is swept of what others have taken out meanwhile", PACK
      + "large_files.cc",
      "if (is_taken_out && (shelf.others_take_out(0) || shelf.given_up() != sweep.given_up)) {",
      "if (is_taken_out && false) {", "unit/pack_large_settled"),
    _("pack-removed-by-others", "a file goes only when what others take out is off the disk", PACK
      + "large_files.cc",
      "return shelf.others_take_out(dropping.own_evictions) ||", "return",
      "unit/pack_large_settled"),
    _("pack-given-up-unseen", "a file goes only when what others gave up is off the disk", PACK
      + "large_files.cc",
      "shelf.given_up() != dropping.given_up ||\n", "\n", "unit/pack_large_settled"),
    _("pack-given-up-removal", "a removal that is not on the disk is told to others", PACK
      + "shelf_taken_out.cc",
      "if (!is_settled_) shelf_.note_given_up();", "", "unit/pack_large_settled"),
    _("pack-given-up-flush", "what a flush could not bring to the disk is told to others", PACK
      + "flush.cc",
      "shelf.note_given_up();", "shelf.note_forgotten();", "unit/pack_large_settled"),
    _("pack-given-up-close", "what was not flushed before the end is told to others", PACK
      + "shelf.cc",
      "note_given_up();", "note_forgotten();", "unit/pack_large_settled"),
    _("pack-given-up-eviction", "an eviction that fails is told to others", PACK
      + "evict_segment.cc",
      "parts_.shelf.note_given_up();", "parts_.shelf.note_forgotten();", "unit/pack_large_settled"),
    _("pack-buried-early", "a removal is written again when others take out meanwhile", PACK
      + "large_files.cc",
      "const bool stands = burial && removal_epoch_of(shelf) == burial->removal_epoch &&",
      "const bool stands = burial &&", "unit/pack_large_settled"),
    _("pack-buried-unread", "a removal is written again when the index was made anew meanwhile",
      PACK + "large_files.cc",
      "shelf.index_was_whole_since(burial->index);", "burial;", "unit/pack_large_settled"),
    _("pack-forgotten-given-up", "what is forgotten is not taken for given up", PACK
      + "shelf_taken_out.cc",
      "return std::max<std::uint64_t>(1, state_->word(",
      "return std::max<std::uint64_t>(0, state_->word(",
      "unit/pack_large_settled"),
    _("pack-evicted-unread", "a file goes only when what cannot be read is overridden", PACK
      + "large_files.cc",
      "shelf.may_be_older_than_unread(record.sequence);",
      "shelf.may_be_older_than_unread(record.sequence | 1ull << 63);", "unit/pack_large_settled"),
    _("pack-unburied", "a file stays when its removal cannot be written", PACK + "large_files.cc",
      "return stands || !may_be_back(shelf, record, dropping) || dropping.bury(record);",
      "return stands || !may_be_back(shelf, record, dropping) || dropping.bury(record) || true;",
      "unit/pack_large_settled"),
    _("pack-alone-uncounted", "what is evicted alone counts until it is on the disk", PACK
      + "evict_alone.cc",
      "taking_out.keep_until_synced();", "taking_out.settle();", "unit/pack_large_settled"),
    _("pack-file-unsecured", "no file goes before what is in its place is on the disk", PACK
      + "large_files.cc",
      "is_another && dropping.lasts(format::Location::of(found.place_word()))",
      "is_another && dropping.lasts",
      "unit/pack_vouch"),
    _("pack-all-older-than-unread", "what is put by now is newer than what cannot be read", PACK
      + "evict_leave.cc",
      "return !record || parts_.shelf.may_be_older_than_unread(record->sequence);",
      "return record || true;", "unit/pack_large_kept"),
    _("pack-recipe-unsynced", "one with a damaged recipe is synced before a clean close", PACK
      + "shelf_index.cc",
      "if (is_there) unproven_large_.push_back(record);\n    return is_there;\n  }\n  if (code",
      "return is_there;\n  }\n  if (code", "unit/pack_large_kept"),
    _("pack-version-keeps-file", "the file of another version goes with its segment", PACK
      + "evict_leave.cc",
      "if (!led_to || led_to->contains(large_file_key(record))) return true;",
      "if (!led_to || !led_to->empty()) return true;", "unit/pack_large_kept"),
    _("pack-led-to-file-goes", "a file stays that a record elsewhere leads to", PACK
      + "evict_leave.cc",
      "if (!led_to || led_to->contains(large_file_key(record))) return true;",
      "if (!led_to) return true;", "unit/pack_large_kept"),
    _("large-sync-forgotten", "a file whose sync failed is never taken for synced later",
      "src/store/file/read.cc",
      "unsynced.add(entry->info);", "", "unit/pack_large_kept"),
    _("pack-file-of-absent", "an index in the making says of no file that it is not led to", PACK
      + "large_files.cc",
      "const bool was_whole = shelf.index_was_whole_since(seen);",
      "const bool was_whole = seen.rebuilds + 1 != 0;", "unit/pack_made_anew_once"),
]
