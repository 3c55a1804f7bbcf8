"""Whether a data root is whole: what `lowtex data check` and `lowtex data status` find out, and how they tell it.

`files` looks at one file, `rules` knows what each data set's files have to agree on, `passes` goes over all of them,
`check` sums a root up, `report` puts it into words, `status` counts what each root holds.
"""
