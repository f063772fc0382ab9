"""The defects that the tests must find: each takes one defence away.

A mutant is a text of one source file and what stands in its place. It is compiled by a build that
is told its name (-DLARDER_MUTANT=NAME), which takes the changed copy instead of the file; the
sources themselves carry no switches. `applies_test.py` sees to it that each text is there once.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    defence: str  # that is gone
    file: str
    text: str
    instead: str
    rigs: tuple[str, ...]  # the tests that must kill it, the cheap ones first


def _(name, defence, file, text, instead, rigs):
    tests = (rig if rig.startswith("fuzz/") else rig + "_test" for rig in rigs.split())
    return Mutant(name, defence, file, text, instead, tuple(tests))


OS = "src/os/"
FORMAT = "src/format/"
FILE = "src/store/file/"
DIRECTORY = "src/store/directory/"
PACK = "src/store/pack/"

MUTANTS = [
    # What is opened.
    _("follow-links", "no link is followed", OS + "open_beneath.cc",
      "how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | "
      "RESOLVE_NO_XDEV;",
      "how.resolve = 0;",
      "unit/hostile_directory endurance/hostile"),
    _("block-on-fifo", "opening a FIFO does not wait (O_NONBLOCK)", OS + "open_beneath.cc",
      "flags |= O_NOCTTY | O_NONBLOCK;", "flags |= O_NOCTTY;",
      "unit/hostile_directory endurance/hostile"),
    _("no-exclusive", "new files are new (O_EXCL)", OS + "posix_directory.cc",
      "O_RDWR | O_CREAT | O_EXCL, private_file", "O_RDWR | O_CREAT, private_file",
      "unit/defects_of_names endurance/hostile"),
    _("umask-mode", "new files are private whatever the umask", OS + "posix_directory.cc",
      "if (::fchmod(owned.get(), private_file) != 0) return failed(errno, \"fchmod\");", "",
      "unit/defects_of_names endurance/hostile"),
    _("any-kind", "what is no regular file is never read", FILE + "read.cc",
      "if (info.kind != FileKind::regular) return fail(Errc::not_ours, path, "
      "\"not a regular file\");", "",
      "unit/defects_of_names endurance/hostile"),
    _("any-owner", "files of another user are never read", FILE + "read.cc",
      "if (!directory().trusts(info.owner)) return fail(Errc::not_ours, path, "
      "\"belongs to another user\");", "",
      "unit/hostile_directory endurance/hostile"),
    _("any-size", "a file over the cap is not read", FILE + "read.cc",
      "if (info.size_bytes > format::largest_file(options_.layout, max_payload_bytes_)) {",
      "if (false) {",
      "unit/hostile_directory endurance/hostile"),
    _("unsafe-directory", "a directory that others may write is refused", DIRECTORY + "claim.cc",
      "if ((info.permissions & writable_by_others) != 0) {", "if (false) {",
      "unit/store_directory endurance/hostile"),
    _("unsafe-parent", "a parent that everybody may write is refused", DIRECTORY + "claim.cc",
      "if ((info.permissions & writable_by_all) != 0 && (info.permissions & sticky) == 0) {",
      "if (false) {",
      "unit/hostile_directory endurance/hostile"),
    _("large-by-path", "a pack's large artifacts are found from its open root",
      DIRECTORY + "store_directory.cc",
      "if (!options_.within) return file_system_.open_directory(path());\n"
      "  return options_.within->open_directory(name_within());",
      "return file_system_.open_directory(path());",
      "unit/pack_large endurance/hostile"),
    _("lock-any-link", "no counters are written into somebody's empty file",
      DIRECTORY + "lock_file.cc",
      "return !format::decode_statistics(std::span(block).first(count));",
      "return count > 0 && !format::decode_statistics(std::span(block).first(count));",
      "unit/hostile_directory endurance/hostile"),

    # What is believed: entries.
    _("entry-no-verify", "an entry's tag is compared", FORMAT + "entry.cc",
      "if (!equal_constant_time(tag, tag_of(file.first(header_bytes), payload, *key))) return {};",
      "(void)tag;\n  (void)payload;",
      "unit/entry fuzz/entry endurance/corruption"),
    _("entry-any-name", "an entry under another name is none (key binding)", FORMAT + "entry.cc",
      "if (std::memcmp(header + at_fingerprint, fingerprint.bytes.data(), 32) != 0) return {};",
      "",
      "unit/entry fuzz/entry endurance/corruption"),
    _("entry-any-length", "lengths and size of the file agree", FORMAT + "entry.cc",
      "file_bytes == header_bytes + stored + tag_bytes + recipe;",
      "file_bytes >= header_bytes + stored + tag_bytes + recipe;",
      "unit/entry fuzz/entry endurance/corruption"),
    _("vyre-no-verify", "a vyre file's footer is compared", FORMAT + "entry.cc",
      "if (!equal_constant_time(file.last<tag_bytes>(), blake3(payload))) return {};", "",
      "unit/entry endurance/corruption"),
    _("recipe-no-verify", "a recipe's digest is compared", FORMAT + "entry.cc",
      "return equal_constant_time(expected, blake3(entry.recipe));",
      "return expected.size() == 32;",
      "unit/entry endurance/corruption"),

    # What is believed: records.
    _("record-no-tag", "a record's tag is compared", FORMAT + "pack_record.cc",
      "if (!equal_constant_time(header.subspan<at_tag, 32>(), tag)) return RecordVerdict::damaged;",
      "(void)tag;",
      "unit/pack_record endurance/corruption"),
    _("record-no-payload-digest", "a payload's digest is compared", FORMAT + "pack_record.cc",
      "return stored.size() == expected && blake3(stored) == record.payload_digest;",
      "return stored.size() == expected;",
      "unit/pack_record endurance/corruption"),
    _("record-any-place", "a record counts where it was written only", FORMAT + "pack_record.cc",
      "load_little<std::uint32_t>(header + at_place) == place &&", "",
      "unit/pack_record endurance/pack_bundle endurance/corruption"),
    _("record-any-segment", "a segment's key holds its own number and random bytes",
      FORMAT + "pack_record.cc",
      "return hasher.update(segment.store).update(number).update(segment.random).finish();",
      "return hasher.update(segment.store).finish();",
      "unit/pack_record endurance/pack_damage endurance/corruption"),
    _("record-any-key", "another fingerprint's record is none", PACK + "look_up.cc",
      "record.fingerprint == name.fingerprint && record.key_id", "record.key_id",
      "unit/pack_store endurance/corruption"),
    _("record-any-length", "a record's lengths are bounded", FORMAT + "pack_record.cc",
      "return lengths_are_sound(read) && ends_in_segment(read, place);",
      "return ends_in_segment(read, place);",
      "unit/pack_record fuzz/record"),
    _("short-read", "a payload that ends too early is none", PACK + "read.cc",
      "if (found.record.hit_bytes() > count) return Candidate::damaged;", "",
      "endurance/pack_truncated endurance/corruption"),
    _("many-no-verify", "get_many compares every digest", PACK + "get_many.cc",
      "is_good[i] = equal_constant_time(std::as_bytes(std::span(expected[i])), digests[i]);",
      "is_good[i] = true;",
      "unit/pack_store endurance/corruption"),
    _("many-any-key", "get_many gives no other fingerprint's record", PACK + "get_many.cc",
      "return check_record(*asked.fingerprint, verdict, record) == Candidate::wanted &&",
      "return check_record(*asked.fingerprint, verdict, record) != Candidate::damaged &&",
      "unit/pack_store endurance/corruption"),
    _("state-no-check", "a clean state has a right check", PACK + "state_file.cc",
      "word(StateWord::dirty).load() == 0 && word(StateWord::clean_check).load() == check();",
      "word(StateWord::dirty).load() == 0;",
      "unit/pack_open endurance/corruption"),
    _("summary-no-tag", "a summary's tag is compared", FORMAT + "pack_segment.cc",
      "if (!equal_constant_time(end.subspan<at_end_tag, 32>(), tag)) return std::nullopt;",
      "(void)tag;",
      "unit/pack_segment endurance/corruption"),
    _("index-no-check", "a damaged header of an index is none", FORMAT + "pack_index.cc",
      "check_is_good(bytes, at_index_check) &&", "",
      "unit/pack_index fuzz/index endurance/pack_damage"),
    _("zstd-unbounded", "what a record claims bounds its decompression", FORMAT + "codec.cc",
      "if (!is_one_frame(stored, raw.size())) return false;", "",
      "unit/codec fuzz/codec"),

    # Keys.
    _("entry-no-key", "an entry's tag is made with its key", FORMAT + "entry.cc",
      "Hasher hasher = key.id == 0 ? initial : Hasher::keyed(key.bytes);",
      "Hasher hasher = initial;\n  (void)key;"),
    _("record-no-authenticator", "a record's authenticator is compared", FORMAT + "pack_record.cc",
      "if (!begins_digest(header.data() + at_authenticator, digest)) "
      "return RecordVerdict::damaged;", "(void)digest;"),
    _("key-of-any-store", "a key is of one store", "src/base/keys.cc",
      "hasher.update(std::as_bytes(std::span(secret))).update(scope);",
      "hasher.update(std::as_bytes(std::span(secret)));\n    (void)scope;"),
    _("key-file-any-mode", "a key file that others may read is refused", "src/cache/key_file.cc",
      "if ((info.permissions & ~permissions_of_owner) != 0) {", "if (false) {"),
    _("other-key-removed", "an entry of another key stays", FILE + "read.cc",
      "if (entry->decoded.verdict == format::Verdict::other_key) return std::nullopt;", ""),
    _("large-any-key", "files of different keys have different names", FORMAT + "pack_record.cc",
      "if (key_id == no_key) return {.bytes = hasher.finish()};",
      "if (key_id != no_key || key_id == no_key) return {.bytes = hasher.finish()};"),
    _("forged-scanned", "a scan passes forged records over", PACK + "segment_scan.cc",
      "return key == nullptr || format::is_authentic(record, *key);", "return true;"),
    _("forged-removal", "a rebuild believes no forged removal", PACK + "rebuild.cc",
      "const bool is_forged = entry.removed && is_newest && has_older && !removal_is_good(entry);",
      "const bool is_forged = entry.removed && is_newest && has_older && i > found_.size();"),
    _("forged-tombstone", "what was forged leaves no removal with the key",
      PACK + "evict_segment.cc", "if (!may_believe(record, parts_.shelf.keys())) return {};", ""),
    _("other-key-tombstone", "a record stays where its owner believes no removal",
      PACK + "evict_segment.cc", "LARDER_TRY(const bool goes_on, carry_for_owner(item));",
      "const bool goes_on = false;"),
    _("other-key-uncovered", "a file of another key that replaced a value stays with its record",
      PACK + "evict_alone.cc",
      "if (entry.kind == RecordKind::large && entry.supersedes) return false;", ""),
    _("other-key-removal", "nobody leaves a removal that its owner does not believe",
      PACK + "evict_alone.cc", "if (key == nullptr && entry.key_id != 0) "
      "return withdraw_of_other_key(shelf, entry, place_word);", ""),
    _("own-removal-unauthentic", "the removal of an entry that leaves alone is its owner's",
      PACK + "evict_alone.cc", "if (key != nullptr) authenticate(removal, *key);", ""),

    # The way to the disk: file store.
    _("file-no-sync", "flush syncs an entry's data", FILE + "pending.cc",
      "return file.sync_data().has_value();", "return file.info().has_value();",
      "unit/defects_of_flush endurance/crash_states"),
    _("file-flush-reopens", "the descriptor that wrote a file is the one that is synced",
      FILE + "pending.cc",
      "in_parallel(entries.size(), options_.threads, [entries](std::size_t i) {\n"
      "    Entry& entry = *entries[i];",
      "const auto root = directory_.reader();\n"
      "  in_parallel(entries.size(), options_.threads, [&](std::size_t i) {\n"
      "    Entry& entry = *entries[i];\n"
      "    const auto path = format::entry_path(options_.layout, entry.fingerprint);\n"
      "    auto anew = (*root)->open_file(path, OpenMode::read);\n"
      "    if (anew) entry.file = *std::move(anew);",
      "unit/defects_of_flush endurance/write_back"),
    _("file-join-reopens", "the descriptor that wrote a file stays when it is put again",
      FILE + "pending.cc",
      "if (found != entries_.end() && found->second.file) return true;", "",
      "unit/defects_of_flush endurance/write_back"),
    _("file-no-folder-sync", "flush syncs the folder of a name", FILE + "pending.cc",
      "if (folder) return (*folder)->sync() ? Synced::yes : Synced::no;",
      "if (folder) return Synced::yes;",
      "unit/defects_of_flush endurance/crash_states"),
    _("file-no-root-sync", "flush syncs the root, which has the folder", FILE + "pending.cc",
      "const bool root_synced = root && root->sync();", "const bool root_synced = root != "
      "nullptr;",
      "unit/defects_of_flush endurance/crash_states"),
    _("file-replace-unsynced", "a file is synced before it replaces another", FILE + "write.cc",
      "LARDER_CHECK_OK(writing.fresh->file().sync_data());", "",
      "unit/defects_of_flush endurance/crash_states"),
    _("file-forget-lost", "what a flush lost is named by later ones", FILE + "pending.cc",
      "mark_lost(entry);\n", "",
      "unit/pending unit/defects_of_flush endurance/write_back"),
    _("file-keep-lost", "what a flush lost is taken out of the store", FILE + "pending.cc",
      "if (named && named->same_file(entry.identity)) (void)(*root)->remove_file(path);", "",
      "unit/pending unit/defects_of_flush endurance/write_back"),
    _("file-remove-other", "only the file that was read is removed as damaged", FILE + "read.cc",
      "if (!named || !named->same_file(seen)) return;", "",
      "unit/defects_of_names unit/file_store"),
    _("file-replace-other", "only the file that was seen is replaced", FILE + "write.cc",
      "if (!named->same_file(writing.seen)) return false;", "",
      "unit/defects_of_names unit/file_store"),
    _("file-remove-unsynced", "a removal is durable when it returns", FILE + "write.cc",
      "LARDER_CHECK_OK(folder->sync());", "",
      "unit/defects_of_names endurance/crash_states"),
    _("file-deleted-root", "a flush into a deleted directory fails", FILE + "pending.cc",
      "if (!root_synced || !there || folder == Synced::no || entry->generation != generation) {",
      "if (!root_synced || folder == Synced::no) {\n      (void)there;\n      (void)generation;",
      "unit/file_store unit/defects_of_flush"),
    _("marker-unsynced", "a new store's marker is durable before its name", DIRECTORY + "claim.cc",
      "LARDER_CHECK_OK(file.file().sync_data());", "",
      "unit/store_directory endurance/crash_states"),
    _("marker-name-unsynced", "a new store's marker keeps its name", DIRECTORY + "claim.cc",
      "if (!published) return published;\n  return root.sync();", "return published;",
      "unit/defects_of_flush endurance/crash_states"),

    # The way to the disk: pack store.
    _("pack-no-sync", "flush syncs segments", PACK + "sync.cc",
      "auto synced = guarded([&] { return file.sync_data(); });",
      "Result<void> synced;\n  (void)file;",
      "unit/pack_flush endurance/write_back endurance/crash_states"),
    _("pack-no-name-sync", "flush syncs the names of new segments", PACK + "sync.cc",
      "return parts_.segments.sync();\n}", "return {};\n}",
      "unit/pack_flush endurance/crash_states"),
    _("pack-lost-segment", "flush finds that a segment was deleted", PACK + "sync.cc",
      "if (is_there) return Tried::yes;", "if (is_there || !is_there) return Tried::yes;",
      "unit/pack_flush"),
    _("pack-not-bad", "a segment whose sync failed gets another name", PACK + "sync.cc",
      "LARDER_CHECK_OK(parts_.segments.rename_no_replace(format::segment_name(writer.number()),\n"
      "                                                      parts_.segments, job.bad_name));", "",
      "unit/pack_flush unit/pack_suspect endurance/write_back"),
    _("pack-no-mark", "a sync that a killed process was in vouches for nothing", PACK + "sync.cc",
      "const auto mark = marks_.set(writer.number());\n  if (!mark) return Tried::no;",
      "const std::optional<SyncMarks::Mark> mark = SyncMarks::Mark{};",
      "unit/pack_suspect unit/pack_writers"),
    _("pack-still-served", "what a failed sync lost leaves the index", PACK + "flush.cc",
      "if (word == 0 || !is_distrusted) continue;", "(void)is_distrusted;\n    if (word != "
      "1) continue;",
      "unit/pack_flush endurance/write_back"),
    _("pack-forget-lost", "what a flush lost is named by later ones", PACK + "flush.cc",
      "note_lost(process, lost.fingerprints, lost.error ? lost.error->message : \"\");", "",
      "unit/pack_flush endurance/write_back"),
    _("pack-large-unsynced", "flush syncs files of their own", PACK + "flush.cc",
      "const auto flushed = shelf.large().flush();\n", "const Result<void> flushed;\n",
      "unit/pack_flush unit/pack_large"),
    _("pack-not-dirty", "`dirty` is on disk before the index changes", PACK + "shelf.cc",
      "LARDER_CHECK_OK(state_->make_dirty());\n  "
      "state_->word(StateWord::open_sessions).fetch_add(1);",
      "state_->word(StateWord::open_sessions).fetch_add(1);",
      "endurance/pack_recovery endurance/crash_states"),
    _("pack-rely-on-anything", "what another process has not synced is written again",
      PACK + "write.cc",
      "LARDER_TRY(writing.is_unchanged, may_rely_on(shelf, fingerprint, found));",
      "writing.is_unchanged = true;",
      "unit/pack_flush endurance/write_back"),
    _("pack-early-trailer", "a trailer is written after the sync", PACK + "sync.cc",
      "auto synced = guarded([&] { return file.sync_data(); });",
      "if (writer.is_sealed()) (void)writer.prove_durable();\n"
      "  auto synced = guarded([&] { return file.sync_data(); });",
      "unit/pack_flush unit/pack_vouch"),

    # Order of changes.
    _("pack-removal-unwritten", "a removal is a record", PACK + "remove.cc",
      "auto appended = append_removal(claimed, removal);", "Result<void> appended;\n  "
      "(void)claimed;",
      "unit/pack_store endurance/crash_states"),
    _("pack-removal-unsynced", "a removal is durable when it returns", PACK + "remove.cc",
      "LARDER_CHECK_OK(sync_shelf(state(), shelf));", "",
      "unit/pack_flush endurance/crash_states"),
    _("pack-no-epoch", "a put sees that a removal came between", PACK + "write.cc",
      "writing.must_write = !undisturbed;\n  return undisturbed ? Done::yes : Done::no;",
      "(void)undisturbed;\n  return Done::yes;",
      "unit/pack_overtaken endurance/hammer_processes"),
    _("pack-oldest-wins", "the newest record of a fingerprint counts", PACK + "rebuild.cc",
      "return std::tie(a.slot_tag, b.sequence, b.removed, b.word) <\n"
      "             std::tie(b.slot_tag, a.sequence, a.removed, a.word);",
      "return std::tie(a.slot_tag, a.sequence, a.word) < std::tie(b.slot_tag, b.sequence, "
      "b.word);"),
    _("pack-bad-is-good", "a bad segment counts up to its mark", PACK + "rebuild.cc",
      "if (name.good_until_place) forget_from(name.number, *name.good_until_place);", "",
      "unit/pack_suspect"),
    _("pack-publish-blindly", "a slot is swung from what was seen", PACK + "index_table.cc",
      "if ((seen & place_mask) != expected) return Published::changed;", "",
      "unit/pack_index_table unit/pack_overtaken endurance/hammer_processes"),
    _("pack-thaw", "a frozen slot is not changed", PACK + "index_table.cc",
      "if ((seen & frozen_bit) != 0) return Published::frozen;", "",
      "unit/pack_index_table endurance/pack_processes endurance/hammer_processes"),
    _("pack-evict-unsynced", "what is carried is durable before its source goes",
      PACK + "evict_segment.cc", "if (carried_bytes_ == 0) return {};", "return {};",
      "unit/pack_evict_rebuild endurance/crash_states"),
    _("pack-no-tombstone", "what is evicted uncovers nothing older", PACK + "evict_segment.cc",
      "LARDER_CHECK_OK(leave_tombstones());", "",
      "unit/pack_evict_rebuild endurance/crash_states"),
    _("pack-evict-owned", "a segment that somebody writes is not evicted",
      PACK + "evict_segment.cc",
      "LARDER_TRY(const bool locked, file.try_lock(LockMode::exclusive, owner_lock_at, 1));\n"
      "  if (!locked) return nullptr;",
      "(void)file.try_lock(LockMode::exclusive, owner_lock_at, 1);",
      "unit/pack_evict endurance/pack_budget endurance/hammer_processes"),
    _("pack-adopt-owned", "a segment has one writer", PACK + "segment_writer.cc",
      "if (!locked) return Refusal::owned;", "(void)locked;",
      "endurance/pack_processes endurance/pack_kill"),
    _("pack-adopt-early", "who adopts a segment overwrites nothing", PACK + "segment_tail.cc",
      "end = std::max(end, offset + record.total_bytes());", "end = std::max(end, offset);",
      "unit/pack_tail endurance/pack_kill"),
    _("no-reader-epoch", "nothing is unmapped that somebody reads", PACK + "read_epochs.cc",
      "return line.readers[parity].load(std::memory_order_seq_cst) == 0;",
      "return line.readers[parity].load(std::memory_order_seq_cst) >= 0;",
      "unit/pack_evict_threads endurance/hammer_threads"),

    # Budget, leases, policy.
    _("pack-no-budget", "puts keep the budget", PACK + "write.cc",
      "return keep_up(*shelf, writing.disk_bytes(), guard);", "return {};",
      "unit/pack_evict endurance/pack_budget"),
    _("file-no-budget", "puts keep the budget", FILE + "write.cc",
      "if (kept) return keep_budget(usage, info.disk_bytes);", "if (kept) return;",
      "unit/file_store"),
    _("no-lease", "one of many processes compiles", "src/cache/compile_once.cc",
      "if (writes()) lease = wait_for_lease(request, found);", "",
      "endurance/single_flight"),
]
