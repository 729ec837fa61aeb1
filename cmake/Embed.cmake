# waybill_embed(TARGET HEADER_BASENAME FILE…): puts files into the program. Each FILE becomes
#   extern const unsigned char embed_<name>[]; extern const size_t embed_<name>_size;
# declared in <HEADER_BASENAME>.h, with every character of the file's name that is not a letter or
# digit as '_'. A NUL follows the bytes, so that text can be used as a string.
function(waybill_embed target base)
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/embed)
  set(declarations "#include <stddef.h>\n")
  set(sources "")
  foreach(file ${ARGN})
    get_filename_component(path ${file} ABSOLUTE)
    get_filename_component(leaf ${file} NAME)
    string(REGEX REPLACE "[^A-Za-z0-9]" "_" name ${leaf})
    string(APPEND declarations "extern const unsigned char embed_${name}[];\n"
                               "extern const size_t embed_${name}_size;\n")
    set(out ${dir}/${name}.c)
    add_custom_command(OUTPUT ${out}
      COMMAND ${CMAKE_COMMAND} -DIN=${path} -DOUT=${out} -DNAME=${name} -DHEADER=${base}.h
              -P ${CMAKE_SOURCE_DIR}/cmake/EmbedFile.cmake
      DEPENDS ${path} ${CMAKE_SOURCE_DIR}/cmake/EmbedFile.cmake VERBATIM)
    list(APPEND sources ${out})
  endforeach()
  file(GENERATE OUTPUT ${dir}/${base}.h CONTENT "${declarations}")
  target_sources(${target} PRIVATE ${sources})
  target_include_directories(${target} PRIVATE ${dir})
endfunction()
