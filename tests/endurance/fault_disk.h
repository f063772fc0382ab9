// What is done to a store on disk behind its back, and how each kind of store is opened.
#ifndef LARDER_TESTS_ENDURANCE_FAULT_DISK_H_
#define LARDER_TESTS_ENDURANCE_FAULT_DISK_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "larder/pack_store.h"
#include "larder/store.h"

namespace larder {

enum class StoreKind { larder, vyre, pack };

std::string_view kind_name(StoreKind kind) noexcept;

// Opens a store when it is called. Options that every kind has a place for; what a kind lacks is
// left out.
std::function<Result<std::shared_ptr<Store>>()> opener_of(StoreKind kind,
                                                          const FileStoreOptions& options);

// A file system in memory where there is one: a sync is then an operation like others.
std::filesystem::path temporary_directory();

// Turns one bit of the payload over, where it was written last. False when it is not there.
bool damage_payload(StoreKind kind, const std::filesystem::path& store, const Fingerprint& key,
                    std::string_view payload);

// The same to what stands so many bytes in front of it; of a pack alone.
bool damage_before_payload(const std::filesystem::path& store, std::string_view payload,
                           std::uint64_t bytes_before);

// What a process that was killed on its way to a new file leaves behind.
void leave_temporary_in(const std::filesystem::path& store);

// Whether any such file is left.
bool has_temporary(const std::filesystem::path& store);

// A second copy of the store as it stands: what other processes see, and a kill would leave.
void copy_store(const std::filesystem::path& from, const std::filesystem::path& to);

// Takes the index of a pack store away.
void lose_index_of(const std::filesystem::path& store);

// Empties the slots of the index of a pack store that nobody has open.
void empty_index_of(const std::filesystem::path& store);

// Marks a segment of a pack store as one that was being synced by somebody who is gone.
void distrust_in(const std::filesystem::path& store, int segment);

// Takes the files of a pack store away in which the payload stands. False when there is none.
bool lose_payload_of(const std::filesystem::path& store, std::string_view payload);

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_FAULT_DISK_H_
