// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace bantam {

// "512 B", "4.70 MB", "12.3 GB": powers of 1000, three digits.
std::string human_bytes(std::uint64_t bytes);

// "960", "260 K", "4.46 M", "1.24 B": of parameters.
std::string human_count(std::uint64_t count);

// "3 h 05 min", "12 min 30 s", "8.2 s".
std::string human_time(double seconds);

}  // namespace bantam
