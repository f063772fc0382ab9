// The file in which processes tell each other about a remote tier: that it does not answer, and
// what they counted. Everything in it is a hint; trouble with it is silence.
#ifndef LARDER_STORE_REMOTE_TIER_FILE_H_
#define LARDER_STORE_REMOTE_TIER_FILE_H_

#include <functional>
#include <memory>
#include <string>

#include "format/tier_state.h"
#include "larder/file_system.h"

namespace larder {

// Any number of threads and processes. Never makes a directory, nor writes into one that is no
// store's: an empty one would not become a store any more.
class TierFile {
 public:
  // `directory` of the store; empty: nothing is read or written. `file_system` must outlive it.
  TierFile(FileSystem& file_system, std::string directory, std::string name)
      : file_system_(file_system), directory_(std::move(directory)), name_(std::move(name)) {}

  // Zero where there is none.
  format::TierState read() const noexcept;

  // Under a lock that is not waited for: who does not get it leaves no word.
  void set_open_until(std::uint64_t time_s) const noexcept;
  void add(const RemoteMetrics& delta) const noexcept;
  void reset_counters() const noexcept;

 private:
  using Change = std::function<void(format::TierState&)>;
  Result<void> update(const Change& change) const;

  FileSystem& file_system_;
  const std::string directory_;
  const std::string name_;
};

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_TIER_FILE_H_
