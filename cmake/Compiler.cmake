# Flags that every target gets. Warnings are errors; the hardening stays on in release.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_compile_options(
  -Wall -Wextra -Werror -Wformat=2 -Wconversion -Wsign-conversion -Wshadow
  -Wimplicit-fallthrough -Wnon-virtual-dtor -Woverloaded-virtual
  # Members left out of a designated initialiser have their defaults; that is what it is for.
  -Wno-missing-designated-field-initializers
  -fno-delete-null-pointer-checks -fvisibility=hidden
  # One result on every machine: a product and a sum fuse only where the source says fma.
  -ffp-contract=off)

if(BANTAM_SANITIZE)
  add_compile_options(-fsanitize=${BANTAM_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${BANTAM_SANITIZE})
else()
  # research: OpenSSF compiler hardening guide; assertions of the library stay on for users too.
  add_compile_options(
    -D_GLIBCXX_ASSERTIONS -fstack-protector-strong -fstack-clash-protection
    -ftrivial-auto-var-init=zero -fstrict-flex-arrays=3)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
    add_compile_options(-mbranch-protection=standard)
  else()
    add_compile_options(-fcf-protection=full)
  endif()
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  endif()
endif()
if(BANTAM_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

include(CheckPIESupported)
check_pie_supported()
add_link_options(-fuse-ld=lld -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code
                 -Wl,--as-needed)
