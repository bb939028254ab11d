# bantam_folder(NAME [DEPS lib...] [EXCLUDE file...])
#
# Makes the static library bantam_NAME of every .cpp in the calling folder, and, where tests are
# wanted, the program NAME_test of every *_test.cpp in it. DEPS are other libraries: folders of a
# lower layer as bantam_x, or third-party targets.
function(bantam_folder name)
  cmake_parse_arguments(ARG "" "" "DEPS;EXCLUDE;TEST_DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp
                                      ${CMAKE_CURRENT_SOURCE_DIR}/*/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  foreach(file IN LISTS ARG_EXCLUDE)
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()

  # A folder that holds headers only is an interface library.
  if(sources)
    add_library(bantam_${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(bantam_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(bantam_${name} ${scope} ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(bantam_${name} ${scope} fmt::fmt ${ARG_DEPS})

  if(BANTAM_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE bantam_${name} ${ARG_TEST_DEPS}
                                               GTest::gtest GTest::gmock_main)
    target_compile_definitions(${name}_test PRIVATE
      BANTAM_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
      BANTAM_SHARED_DATA="${CMAKE_SOURCE_DIR}/../shared/data")
    # One ctest entry a program: a process a test case would spend the time on starting up.
    add_test(NAME ${name} COMMAND ${name}_test --gtest_brief=1)
  endif()
endfunction()
