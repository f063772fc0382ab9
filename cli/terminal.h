// What a person at a terminal sees more: progress of what takes long, and colours.
#ifndef LARDER_CLI_TERMINAL_H_
#define LARDER_CLI_TERMINAL_H_

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace larder::cli {

enum class Colour { green, yellow, red };

// `text` in colour when standard output is a terminal and NO_COLOR is not set; else as it is.
std::string coloured(Colour colour, std::string_view text);

// A line on standard error that is redrawn in place, when standard error is a terminal and more
// than a second has passed; it vanishes at the end. Any thread may call step.
class Progress {
 public:
  explicit Progress(std::string_view label);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  // 0: not known.
  void expect(std::uint64_t total);
  void step();

 private:
  using Clock = std::chrono::steady_clock;
  void draw() const;

  const std::string label_;
  const bool visible_;
  std::mutex mutex_;
  std::uint64_t total_ = 0;
  std::uint64_t done_ = 0;
  bool drawn_ = false;
  Clock::time_point next_draw_;
};

}  // namespace larder::cli

#endif  // LARDER_CLI_TERMINAL_H_
