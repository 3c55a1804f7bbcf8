"""Fetching archives so that an interruption costs nothing and a bad archive does no harm: `lowtex data download`.

`kitti_archives` names what there is, `download` fetches it: `http_files` and `partial_files` bring an archive over,
`zip_files` tests and unpacks it, `placing` moves what came out to its place, `downloaded` tells what is there already.
"""
