"""nbgrader's settings for the exercises of a class (teaching.md, "Grade with nbgrader")."""

c = get_config()  # noqa: F821 - nbgrader defines it

c.CourseDirectory.course_id = "kmnist"
# An answer cell holds the code that an exercise gives; there is nothing to remove from it.
c.ClearSolutions.enabled = False
# Notebooks train networks.
c.ExecutePreprocessor.timeout = 3600
c.Execute.timeout = 3600
